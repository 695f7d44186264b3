"""The OpenAPI document of the HTTP API, and its page: made when they change, served as files."""
