from __future__ import annotations

import os

import pytest

from mailer.errors import ConfigurationError
from mailer.ses.credentials import EnvironmentCredential, NoCredentials

ROLE = {
    "TENCENTCLOUD_SECRETID": "role-id",
    "TENCENTCLOUD_SECRETKEY": "role-key",
    "TENCENTCLOUD_SESSIONTOKEN": "role-token",
}
OWN = {"MAILER_SECRET_ID": "own-id", "MAILER_SECRET_KEY": "own-key"}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MAILER_", "TENCENTCLOUD_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (OWN, ("own-id", "own-key", None)),
        ({**OWN, "MAILER_SECRET_TOKEN": "own-token"}, ("own-id", "own-key", "own-token")),
        (ROLE, ("role-id", "role-key", "role-token")),
        ({**OWN, **ROLE}, ("role-id", "role-key", "role-token")),
        ({**OWN, **ROLE, "TENCENTCLOUD_SECRETKEY": ""}, ("own-id", "own-key", None)),
        ({**OWN, **ROLE, "TENCENTCLOUD_SECRETID": " "}, ("own-id", "own-key", None)),
        (
            {"MAILER_SECRET_ID": " own-id\n", "MAILER_SECRET_KEY": "own-key\n", "MAILER_SECRET_TOKEN": " "},
            ("own-id", "own-key", None),
        ),
    ],
)
def test_the_role_goes_before_a_key_of_our_own(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert EnvironmentCredential().get_credential_info() == expected


def test_a_key_that_changes_in_a_warm_process_is_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = EnvironmentCredential()
    for number in ("1", "2"):
        for name in ROLE:
            monkeypatch.setenv(name, number)
        assert credential.get_credential_info() == (number, number, number)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"MAILER_SECRET_ID": "x"},
        {"MAILER_SECRET_KEY": "x"},
        {"TENCENTCLOUD_SECRETID": "x", "MAILER_SECRET_KEY": "x"},
    ],
)
def test_an_environment_without_a_whole_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NoCredentials) as refused:
        EnvironmentCredential().get_credential_info()
    assert str(refused.value) == (
        "MAILER_SECRET_ID: is not set with MAILER_SECRET_KEY, and there is no execution role"
    )
    assert isinstance(refused.value, ConfigurationError)
