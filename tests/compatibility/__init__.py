"""`docs/compatibility.md`: what the tests with the mark `compatible` ran, each with its result."""
