"""Digests: items are collected per recipient and sent as one email per window."""
