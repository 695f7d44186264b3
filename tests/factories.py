"""Requests and contexts that several test modules use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailer.email.identity import AddressHasher, id_for
from mailer.email.request import EmailRequest
from mailer.ledger import Attempt, CallResult
from mailer.ledger.record import State

if TYPE_CHECKING:
    from mailer.runtime import Runtime

API_KEY = "test-key"
SECRET = ("AKIDtest", "test-secret")
HASH_KEY = "hash-key-of-the-tests"
address_hash = AddressHasher(HASH_KEY)
EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "to": "ann@customer.example",
    "subject": "Your code",
    "template": {"id": 100091, "data": {"code": "1234"}},
}


def body(**fields: Any) -> dict[str, Any]:
    """Return a valid request body with `fields` on top; `sender` is the field `from`."""
    if "sender" in fields:
        fields["from"] = fields.pop("sender")
    return {**EMAIL, **fields}


def email(**fields: Any) -> EmailRequest:
    return EmailRequest.parse(body(**fields))


class LambdaContext:
    """The part of Lambda's context that Mailer reads."""

    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def scf_context(seconds: float = 30.0) -> dict[str, Any]:
    """Return an SCF context as the platform passes it."""
    return {
        "memory_limit_in_mb": 128,
        "time_limit_in_ms": int(seconds * 1000),
        "request_id": "f03dc946-3df4-45a0-8e54-000000000000",
        "environment": '{"SCF_NAMESPACE":"default"}',
        "environ": "SCF_NAMESPACE=default;SCF_NAMESPACE=default",
        "function_version": "$LATEST",
        "function_name": "mailer",
        "namespace": "default",
        "tencentcloud_region": "ap-singapore",
        "tencentcloud_appid": "1250000000",
        "tencentcloud_uin": "100000000001",
    }


def sent_by_version_0_1_0(runtime: Runtime, key: str, state: State = State.ACCEPTED) -> str:
    """Store the record of an email as version 0.1.0 did, for a key of any kind, and return its id."""
    attempt = Attempt(id_for(runtime.settings.account, key), email(), "test", namespace=None)
    admission = runtime.ledger.admit(attempt)
    runtime.ledger.settle(attempt, admission, CallResult(state, ses_message_id=f"ses-{key}"))
    return attempt.smtp_message_id
