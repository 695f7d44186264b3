"""Mutation testing: whether a test fails when the code is changed. `make mutants` runs it."""
