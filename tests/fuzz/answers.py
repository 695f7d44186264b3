"""What each function may answer and raise, by the source of its event, and the outcome that this is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mailer.errors import MailerError
from mailer.http_api.problems import MIN_ERROR_STATUS
from mailer.triggers.fields import as_object, as_objects, as_text
from mailer.triggers.http_events import read_http
from mailer.triggers.queue import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from fuzz.functions import Observation
    from fuzz.mutant import Mutant

# The errors by which a source makes its platform redeliver. All others name what is wrong in their answer.
_WHOLE_BATCH = frozenset({"RedeliveryRequired", "BatchTooLarge"})
MAY_RAISE = {
    "sqs": frozenset({"BatchTooLarge"}),
    **dict.fromkeys(("kafka", "kinesis", "dynamodb"), frozenset({"BatchTooLarge"})),
    **dict.fromkeys(("sns", "activemq", "rabbitmq", "ckafka", "cmq", "eventbridge"), _WHOLE_BATCH),
    "pipes": _WHOLE_BATCH,
    "invoke": frozenset({"RedeliveryRequired"}),
    "http": frozenset[str](),
    "schedule": frozenset[str](),
}
_FIELDS = {"statusCode", "headers", "body", "isBase64Encoded"}
_PROBLEM = {"type", "title", "status", "detail", "code", "retryable"}
_MAX_ANSWER_BYTES = 6_000_000


def source_of(mutant: Mutant) -> str:
    """Return the name of the message source of an event, `invoke` for any other; or the function."""
    if mutant.function != "queue":
        return mutant.function
    return next((source.trigger for source in SOURCES if source.matches(mutant.event)), "invoke")


def faults(mutant: Mutant, seen: Observation) -> Iterator[str]:
    """Yield what is wrong with an answer, or with an error in its place."""
    source = source_of(mutant)
    if seen.error is not None:
        name = type(seen.error).__name__
        if name not in MAY_RAISE[source]:
            yield f"{name} was raised for {source}"
        return
    try:
        text = json.dumps(seen.answer, ensure_ascii=False, allow_nan=False).encode()  # as the platforms do
    except (TypeError, ValueError) as error:
        yield f"the answer is no JSON: {type(error).__name__}"
        return
    if len(text) > _MAX_ANSWER_BYTES:
        yield f"the answer has {len(text)} bytes"
    checks: dict[str, Callable[[], Iterator[str]]] = {
        "http": lambda: _http(mutant.event, seen.answer),
        "schedule": lambda: _named(seen.answer, "job", "code"),
        "sqs": lambda: _sqs(mutant.event, seen.answer),
        "kafka": lambda: _kafka(mutant.event, seen.answer),
        "kinesis": lambda: _stream(mutant.event, seen.answer, "kinesis", "sequenceNumber"),
        "dynamodb": lambda: _stream(mutant.event, seen.answer, "dynamodb", "SequenceNumber"),
        "pipes": lambda: _pipes(mutant.event, seen.answer),
        "invoke": lambda: _named(seen.answer, "state", "code"),
    }
    yield from checks.get(source, lambda: _records(seen.answer))()


def outcome(mutant: Mutant, seen: Observation) -> str:
    """Return the class of an outcome."""
    if seen.error is not None:
        return f"{mutant.function}: {type(seen.error).__name__}"
    answer = as_object(seen.answer)
    if mutant.function == "http":
        return f"http: {answer.get('statusCode')}"
    if mutant.function == "schedule":
        return f"schedule: {'done' if 'job' in answer else answer.get('code')}"
    return f"queue: {_queue_outcome(answer)}"


def _queue_outcome(answer: dict[str, Any]) -> str:
    if "batchItemFailures" in answer:
        return "some returned" if answer["batchItemFailures"] else "none returned"
    if "records" in answer:
        return "batch done"
    return f"invoked, {answer['state']}" if "state" in answer else f"refused, {answer.get('code')}"


def is_refused(mutant: Mutant, seen: Observation) -> bool:
    """Return whether no email can have come of the event."""
    answer = as_object(seen.answer)
    if mutant.function == "http":
        return int(answer.get("statusCode", 500)) >= MIN_ERROR_STATUS
    return '"state":"accepted"' not in seen.log


def _http(event: Any, answer: Any) -> Iterator[str]:
    expected = _FIELDS | ({"multiValueHeaders"} if "multiValueHeaders" in as_object(event) else set())
    if not _FIELDS <= set(as_object(answer)) <= expected:
        yield "the answer has other fields than a response"
        return
    status, headers, body = answer["statusCode"], answer["headers"], answer["body"]
    if not (isinstance(status, int) and 200 <= status < 600 and isinstance(body, str)):
        yield f"status {status!r} or body {type(body).__name__}"
        return
    if not (isinstance(headers, dict) and all(_is_header(*header) for header in headers.items())):
        yield "a header is no text of one line"
    if _is_head(event):
        yield from ["HEAD was answered with a body"] if body else []
    elif status >= MIN_ERROR_STATUS:
        yield from _problem(status, body)
    elif status == 200 and '"results"' in body[:20]:
        for result in json.loads(body)["results"]:
            if result["status"] >= MIN_ERROR_STATUS:
                yield from _problem(result["status"], json.dumps(result["error"]))


def _is_head(event: Any) -> bool:
    with suppress(MailerError):
        return read_http(event)[1].method.upper() == "HEAD"
    return False


def _is_header(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and (name + value).isprintable()
        and (name + value).isascii()
    )


def _problem(status: int, body: str) -> Iterator[str]:
    try:
        problem = as_object(json.loads(body))
    except ValueError:
        problem = {}
    if not problem.keys() >= _PROBLEM or not problem["code"] or problem["status"] != status:
        yield f"{status} without a problem that says why"
    elif problem["code"] == "InternalError" and "id" not in problem:
        yield f"{status} for an unexpected error"


def _named(answer: Any, *names: str) -> Iterator[str]:
    if not any(as_object(answer).get(name) for name in names):
        yield f"the answer has none of: {', '.join(names)}"


def _records(answer: Any) -> Iterator[str]:
    if not (set(as_object(answer)) == {"records"} and isinstance(answer["records"], int)):
        yield "the answer does not count the records"


def _identifiers(answer: Any) -> list[Any] | None:
    items = as_object(answer).get("batchItemFailures")
    if set(as_object(answer)) != {"batchItemFailures"} or not isinstance(items, list):
        return None
    return [item["itemIdentifier"] if set(as_object(item)) == {"itemIdentifier"} else item for item in items]


def _of_batch(answer: Any, known: Collection[Any]) -> Iterator[str]:
    """Check a partial batch response: it names messages of the batch alone."""
    identifiers = _identifiers(answer)
    if identifiers is None:
        yield "no partial batch response"
    elif any(identifier not in known for identifier in identifiers):
        yield "an identifier that is no message's"


def _sqs(event: Any, answer: Any) -> Iterator[str]:
    return _of_batch(
        answer, [as_text(record.get("messageId")) or None for record in as_objects(event["Records"])]
    )


def _kafka(event: Any, answer: Any) -> Iterator[str]:
    identifiers = _identifiers(answer)
    if identifiers is None:
        yield "no partial batch response"
        return
    for identifier in identifiers:
        if set(as_object(identifier)) != {"partition", "offset"}:
            yield "an identifier that is no record's"
        elif len(identifiers) > len(event["records"]):
            yield "more identifiers than partitions"


def _stream(event: Any, answer: Any, field: str, name: str) -> Iterator[str]:
    changes = [as_object(record.get(field)) for record in as_objects(event["Records"])]
    return _of_batch(answer, [as_text(change.get(name)) or None for change in changes])


def _pipes(event: Any, answer: Any) -> Iterator[str]:
    known = {
        as_text(record.get(name)) or None for record in as_objects(event) for name in ("messageId", "eventID")
    }
    yield from _records(answer) if _identifiers(answer) is None else _of_batch(answer, known)
