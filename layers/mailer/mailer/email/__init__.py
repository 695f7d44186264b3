"""The email itself: the request model, its checks, SendEmail's native JSON, ids and hashes."""
