"""Values, names and texts that a field does not expect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fuzz.nesting import Raw

if TYPE_CHECKING:
    from random import Random

HUGE_NUMBER = "9" * 400
DEEP = (400, 900, 2000)  # the last is more than the JSON reader of Python 3.11 takes
NUMBERS = (
    Raw("NaN", math.nan), Raw("-Infinity", -math.inf), Raw("1e999", math.inf),
    Raw(HUGE_NUMBER, int(HUGE_NUMBER)),
    Raw("-0", 0), Raw("1e308", 1e308), Raw("0.1e-400", 0.0), 2**63, 2**64, -1, 0, 1, 1.5,
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\U0001f600", "null", "true", "1e999",
    "0x10",
    "a" * 1000, "é" * 300, "\r\nBcc: eve@evil.example", "a\nb", "\x7f\x80\x9f", "a@b", "@",
    "a@b.example,c@d.example",
    "<script>alert(1)</script>", "{{ 7 * 7 }}", "${jndi:x}", "../../etc/passwd", "%00", "%c0%ae", "//", "/",
    "9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2099-01-01T00:00:00+14:00", "0000-00-00T00:00:00Z",
    "Bearer", "Bearer ", "Basic eA==", "gzip", "chunked", "text/plain", "application/json; charset=utf-16",
    "eA", "eA==", "e A=", "_-8=",
    "[]", "{}", '"', "\\", "'", "１２３", "ａｎｎ@customer.example", "İ", "ﬀ", "ſs",
    "digest", "sweep", "plan", "aws:sqs", "aws:sns", "aws:kafka", "aws:kinesis",
    "aws:dynamodb", "aws:mq", "aws:rmq", "1.0", "Timer",
    "GET", "PUT",
)  # fmt: skip
NAMES = (
    "", " ", "__proto__", "constructor", "prototype", "toString", "__class__", "$ref", "$where", "a/b~c",
    "\0",
    "\ud800", "\ufeffto", "tο", "Ｔo", "to ", "TO", "x" * 300, "é", "0", "-1", "digest", "specversion",
    "records",
    "Records", "messages", "EventList", "httpMethod", "headers", "payload", "requestContext",
    "eventSource", "body",
    "idempotency_key", "SmtpMessageId", "template", "Template", "simple", "send_at", "attachments",
    "self", "cls",
)  # fmt: skip
HEADER_NAMES = (
    "Authorization", "AUTHORIZATION", "authorızation", "аuthorization", "authorization ", "Content-Type",
    "CONTENT-TYPE", "Content-Encoding",
    "Idempotency-Key", "X-Webhook-Token", "x-hub-signature-256", "webhook-signature", "Stripe-Signature",
    "X-Shopify-Hmac-SHA256", "X-Slack-Signature", "X-Slack-Request-Timestamp", "X-Twilio-Signature",
    "X-HubSpot-Signature-v3", "X-Method",
    "X-Uri", "Origin", "Access-Control-Request-Method", "Transfer-Encoding", "Host", "__proto__", "",
    "a:b", "a\nb",
)  # fmt: skip
# At fault.example the local part says what SES answers.
FAULTS = (
    "WrongContentJson", "FrequencyLimit", "RequestLimitExceeded+once", "InternalError",
    "EmailAddrInBlacklist",
    "TemporaryBlocked", "InsufficientBalance", "no-message-id", "answer-lost",
)  # fmt: skip


def value(random: Random) -> Any:
    """Return a value of any type."""
    kind = random.random()
    if kind < 0.25:
        return random.choice(NUMBERS)
    if kind < 0.6:
        return random.choice(TEXTS)
    if kind < 0.7:
        return random.choice([None, True, False])
    if kind < 0.8:
        return deep(random)
    return random.choice(
        [[], {}, [[]], [None], [{}], {"a": 1}, {"": None}, ["x"] * 51, [1, "a", None, {}], [True]]
    )


def deep(random: Random) -> Raw:
    """Return lists or objects within each other: about as many as a document may have, or far more."""
    levels = random.choice([30, 31, 32, 33, 34, 35, 60, *DEEP])
    kinds = random.choice(["[", "{", "[{"])
    text, ending, value = "", "", 1  # type: str, str, Any
    for level in range(levels):
        is_list = kinds[level % len(kinds)] == "["
        text += "[" if is_list else '{"a":'
        ending += "]" if is_list else "}"
    for bracket in ending:
        value = [value] if bracket == "]" else {"a": value}
    return Raw(text + "1" + ending[::-1], value)


def fault_address(random: Random) -> str:
    """Return an address for which SES fails."""
    return f"{random.choice(FAULTS)}@fault.example"
