"""What callers and brokers name, as it may stand in a log line.

Hashes have the key MAILER_HASH_KEY; where it is not set, they can be compared within one process alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from functools import lru_cache

MAX_TOKENS = 8  # of a JSON pointer
_HASH_CHARACTERS = 12
_INDEX = re.compile(r"[0-9]{1,6}")
# Keys of messages whose broker, not their sender, gives them an id: `sqs:MESSAGE-ID`.
_BROKER_KEY = re.compile(
    r"(?:sqs|sns|kafka|kinesis|dynamodb|ckafka|cmq|tdmq|activemq|invoke):[A-Za-z0-9:._/,-]{1,200}"
)
_ENVELOPE_FIELDS = frozenset(
    {"digest", "recipient", "item", "item_id", "time_zone", "emails", "event", "email", "timestamp"}
    | {"specversion", "id", "source", "type", "data", "data_base64"}
    | {"Message", "job", "scheduled_time", "NewImage", "detail"}
)


def pointer_for_log(pointer: str) -> str:
    """Return a JSON pointer of at most 8 tokens, with a hash in place of every name that is not the API's."""
    tokens = pointer.split("/")[1:]
    kept = [_token(token) for token in tokens[:MAX_TOKENS]]
    return "".join(f"/{token}" for token in [*kept, *(["…"] if len(tokens) > MAX_TOKENS else [])])


def key_for_log(key: str) -> str:
    """Return a message's key if its broker gave it, else what kind of key it is and a hash."""
    return key if _BROKER_KEY.fullmatch(key) else f"{_kind(key)}:{_hash(key)}"


def _kind(key: str) -> str:
    kind = key.partition(":")[0]
    return kind if re.fullmatch(r"[a-z]{1,16}", kind) else ""


def _token(token: str) -> str:
    return token if _INDEX.fullmatch(token) or token in _known_names() else f"#{_hash(token)}"


def _hash(text: str) -> str:
    made = hmac.new(_key(), text.encode(errors="surrogatepass"), hashlib.sha256)
    return made.hexdigest()[:_HASH_CHARACTERS]


def _key() -> bytes:
    """Return the key of the hashes: what is logged while the store does not answer has hashes too."""
    given = os.environ.get("MAILER_HASH_KEY", "").split()
    return given[0].encode() if given else _key_of_process()


@lru_cache(maxsize=1)
def _key_of_process() -> bytes:
    return secrets.token_bytes()


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    """Return every field name of an email request in either form, and of what may be around it."""
    from mailer.email import native, request

    models = (request.EmailRequest, request.Template, request.Simple, request.Attachment)
    own = {field.alias or name for model in models for name, field in model.model_fields.items()}
    return _ENVELOPE_FIELDS | own | native.NAMES
