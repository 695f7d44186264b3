"""Configuration: environment variables and the tables of mailer.toml."""
