"""Digests: items gather for each recipient, and one email tells them all when their hour has come."""
