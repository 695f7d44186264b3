"""Where the API key comes from; read anew for every call, since a role's key changes in a warm process."""

from __future__ import annotations

import os

from mailer.errors import ConfigurationError

_SOURCES = (
    ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"),  # SCF's execution role
    ("MAILER_SECRET_ID", "MAILER_SECRET_KEY", "MAILER_SECRET_TOKEN"),
)


class NoCredentials(ConfigurationError):
    """The environment holds neither an execution role's key nor one of Mailer's own."""

    def __init__(self) -> None:
        super().__init__(
            "MAILER_SECRET_ID", "is not set with MAILER_SECRET_KEY, and there is no execution role"
        )


class EnvironmentCredential:
    """The credential object that the SDK asks before it signs a request."""

    def get_credential_info(self) -> tuple[str, str, str | None]:
        """Return (secret id, secret key, token or None) as the environment has them now.

        Raises NoCredentials.
        """
        for names in _SOURCES:
            secret_id, secret_key, token = (os.environ.get(name, "").strip() for name in names)
            if secret_id and secret_key:
                return secret_id, secret_key, token or None
        raise NoCredentials
