"""Bodies that are recognisably not JSON: other serialisations, and pointers to where a body is stored."""

from __future__ import annotations

import re

_HEAD = 64
_CONFLUENT_HEADER = b"\0\0"  # the magic byte, and the first byte of a schema's number below 2**24
_CONFLUENT_BYTES = 5
# Their first bytes, none of which begins a JSON object.
_MAGIC = {
    b"Obj\1": "an Avro object container file",
    b"\xc3\1": "Avro in the single-object encoding",
    b"\3\0": "in the wire format of the AWS Glue Schema Registry",
    b"\3\5": "in the wire format of the AWS Glue Schema Registry",
    b"\xf3\x89\x9a\xc2": "an aggregate of the Kinesis Producer Library, whose aggregation must be off",
    b"\x1f\x8b": "compressed with gzip",
}
# `["software.amazon.payloadoffloading.PayloadS3Pointer", {…}]`: Java's name of a class, then its fields.
_POINTER = re.compile(r'\s*\[\s*"[A-Za-z0-9_.$]{1,200}Pointer"\s*,')


def foreign_format(body: str | bytes) -> str | None:
    """Return what `body` is if it is of a known format other than JSON, as it follows "is ", else None."""
    if isinstance(body, str) and _POINTER.match(body):
        return (
            "a pointer to a payload that an extended client stored elsewhere (S3, COS), which is not fetched"
        )
    head = body[:_HEAD].encode("latin-1", "replace") if isinstance(body, str) else body[:_HEAD]
    if head.startswith(_CONFLUENT_HEADER) and len(head) > _CONFLUENT_BYTES:
        schema = int.from_bytes(head[1:_CONFLUENT_BYTES], "big")
        return f"in the wire format of Confluent's schema registry (schema {schema})"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
