"""Delivery: `deliver()`, the sweep, the reconciliation of unknown emails, and the outcome of each."""
