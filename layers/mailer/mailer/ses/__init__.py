"""Tencent SES: the client, the error table, transport failures, callback events, credentials."""
