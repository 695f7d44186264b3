"""Webhooks: who may send them (`schemes`), and what mailer.toml makes of them (`sources`)."""
