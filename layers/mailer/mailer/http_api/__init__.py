"""The HTTP API: routes, authentication and problem responses."""
