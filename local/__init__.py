"""Local stand-ins for the clouds: what runs on a developer's machine and in tests, never in a function."""
