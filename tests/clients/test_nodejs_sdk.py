"""Tencent Cloud's SDK for Node.js against the SES emulator."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.ses_emulator import SECRET_ID, SECRET_KEY

if TYPE_CHECKING:
    from local.ses_emulator import Emulator

pytestmark = pytest.mark.compatible(
    "SDKs", "Tencent Cloud SDK for Node.js", package="tencentcloud-sdk-nodejs-ses"
)

FOLDER = Path(__file__).parent
GUIDE = (FOLDER.parents[1] / "local/ses_emulator/README.md").read_text(encoding="utf-8")


def node(*arguments: str, environment: dict[str, str], program: str = "") -> str:
    """Return what a program of Node.js prints, beside the SDK; raises CalledProcessError."""
    done = subprocess.run(
        ["node", *arguments],  # noqa: S607 -- the machine's, or the one that the Makefile installs
        cwd=FOLDER,
        env=environment,
        input=program,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def answers_of(
    ses: Emulator, environment: dict[str, str], *, name: str = "127.0.0.1", secret_key: str = SECRET_KEY
) -> dict[str, Any]:
    protocol = ses.endpoint.partition("127")[0]
    printed = node(
        "account.mjs", protocol, f"{name}:{ses.port}", SECRET_ID, secret_key, environment=environment
    )
    answers: dict[str, Any] = json.loads(printed)
    return answers


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_sdk_calls_the_api(ses: Emulator, environment: dict[str, str], name: str) -> None:
    answers = answers_of(ses, environment, name=name)
    (mail,) = ses.inbox()
    assert answers["sent"]["MessageId"] == mail.ses_message_id
    assert (mail.subject, mail.to) == ("Your order — 你好", ["user@example.com"])
    assert "1234" in mail.text
    assert answers["plain"]["TotalCount"] == 5
    assert ses.resources.templates.get(answers["created"]["TemplateID"])
    assert answers["identities"]["EmailIdentities"][0]["IdentityName"] == "unverified.example"
    assert answers["refused"]["code"] == "FailedOperation.TemporaryBlocked"
    assert answers["unsupported"]["code"] == "UnsupportedOperation"
    assert all(answer.get("RequestId") or answer["requestId"] for answer in answers.values())


def test_wrong_key_is_refused(ses: Emulator, environment: dict[str, str]) -> None:
    answers = answers_of(ses, environment, secret_key="wrong")
    assert {answer["code"] for answer in answers.values()} == {"AuthFailure.SignatureFailure"}
    assert ses.inbox() == []


def test_sdk_calls_over_tls(secure: Emulator, environment: dict[str, str]) -> None:
    answers = answers_of(secure, {**environment, "NODE_EXTRA_CA_CERTS": str(secure.ca_file)})
    assert answers["sent"]["MessageId"] == secure.inbox()[0].ses_message_id


def test_example_of_the_guide_runs(ses: Emulator, environment: dict[str, str]) -> None:
    (example,) = re.findall(r"```js\n(.*?)```", GUIDE, re.DOTALL)
    program = example.replace("127.0.0.1:9588", ses.address)
    assert node("--input-type=module", environment=environment, program=program) == ""
    assert [mail.text for mail in ses.inbox()] == ["Welcome, Ann!"]
