"""Tencent Cloud's command line against the SES emulator, over TLS."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.ses_emulator import SECRET_ID, SECRET_KEY

if TYPE_CHECKING:
    from local.ses_emulator import Emulator

pytestmark = pytest.mark.compatible("SDKs", "`tccli`, over TLS", package="tccli")

VENV = Path(__file__).parents[2] / ".venv-tccli"
SEND = {
    "FromEmailAddress": "Shop <noreply@mail.shop.example>",
    "Destination": '["user@example.com"]',
    "Subject": "Your code",
    "Template": '{"TemplateID": 100091, "TemplateData": "{\\"code\\": \\"1234\\"}"}',
}


@pytest.fixture
def trusting(secure: Emulator, environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment with a copy of certifi, whose certificates alone tccli trusts, and the CA's with it."""
    (certifi,) = VENV.glob("lib/python3.*/site-packages/certifi")
    shutil.copytree(certifi, tmp_path / "certifi")
    assert secure.ca_file is not None
    with (tmp_path / "certifi" / "cacert.pem").open("a", encoding="ascii") as trusted:
        trusted.write(secure.ca_file.read_text(encoding="ascii"))
    return {**environment, "PYTHONPATH": str(tmp_path)}


def tccli(ses: Emulator, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    parameters = [part for name, value in SEND.items() for part in (f"--{name}", value)]
    access = ("--secretId", SECRET_ID, "--secretKey", SECRET_KEY, "--region", "ap-singapore")
    return subprocess.run(
        [VENV / "bin/tccli", "ses", "SendEmail", "--endpoint", ses.address, *access, *parameters],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_command_line_sends(secure: Emulator, trusting: dict[str, str]) -> None:
    done = tccli(secure, trusting)
    (mail,) = secure.inbox()
    assert json.loads(done.stdout)["MessageId"] == mail.ses_message_id, done
    assert (mail.subject, mail.sender) == ("Your code", "Shop <noreply@mail.shop.example>")
    assert "1234" in mail.text


def test_command_line_that_does_not_trust_the_ca_sends_nothing(
    secure: Emulator, environment: dict[str, str]
) -> None:
    done = tccli(secure, environment)
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout + done.stderr
    assert done.returncode
    assert secure.calls() == []
