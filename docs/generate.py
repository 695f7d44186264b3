"""Write the generated files, errors.md, the OpenAPI document and its viewer: `python -m docs.generate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from docs.openapi.document import document_text, served_text
from docs.openapi.viewer import viewer_files
from mailer.ses.error_table import GROUPS, OTHER_ACTIONS, UNLISTED, Action, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
_STATIC = "layers/mailer/mailer/http_api/static"

_ACTIONS = {
    Action.RETRY: "Not sent. It is tried again after the delay, in the same invocation while time is left; "
    "then the caller or the platform is to send it again, or the ledger stores it.",
    Action.DEFER: "Not sent. The ledger stores it, and the sweep sends it after the delay.",
    Action.REJECT: "Not sent: the request is invalid, and trying again does not help.",
    Action.SUPPRESS: "Not sent. If the email had one recipient, that address gets no mail for the delay, or "
    "permanently none from this sender's domain.",
    Action.HALT: "Not sent, and nothing of this scope can be. Calls stop; after the delay one email probes "
    "whether sending works again.",
    Action.RECONCILE: "It may have been sent. The record is `unknown`, and it is not sent again before "
    "the sweep has reconciled it.",
}
_HEADER = ("code", "action", "scope", "delay", "surely not sent", "why", "what to do")
_FAULTS = {
    "header_from": "a `header_from` with another address than the sender's",
    "originator header": "a header `Sender`, `Return-Path`, `Resent-From`, `Resent-Sender` or "
    "`DKIM-Signature`",
    "link": "a link, or a plain domain, in its subject or its template's data",
    "template": "a template",
}
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def errors_page() -> str:
    """Return the page about every code, as Markdown."""
    actions = ((f"`{action.value}`", text) for action, text in _ACTIONS.items())
    lines = [
        "# Errors and what Mailer does about them",
        "",
        "Generated from [`error_table.py`](../layers/mailer/mailer/ses/error_table.py) by `make docs`.",
        "",
        "Every way in which a SendEmail call can fail has one line here. Its action says what is done with",
        "the email:",
        "",
        *_table(("action", "what happens"), actions),
        "",
        "A halt needs a fault of its scope, which every other request of the scope meets too: of the",
        "account, what all calls have in common (credentials, endpoint, balance, quotas); of a sender, its",
        "address and domain; of a template, its review. Where a single request can bring the fault about by",
        "itself, the table says with what: a request that has it is rejected, and nothing is halted.",
        "",
        *_table(("reject with", "the request has"), _FAULTS.items()),
        "",
        "*Surely not sent* is what sending again rests on: without it an email is only ever reconciled. A",
        "code without a line follows its longest known prefix (`FailedOperation.Other` follows",
        "`FailedOperation`);",
        f"where there is none, it is `{UNLISTED.action.value}`, and the log says that the code is unlisted.",
    ]
    for title, rules in GROUPS.items():
        table = _table(_HEADER, (_row(code, rule) for code, rule in rules.items()))
        lines += ["", f"## {title}", "", *table]
    lines += [
        "",
        "## Constants of the SDK that belong to other actions of SES",
        "",
        "SendEmail does not answer with these; if it did, they would follow their prefix.",
        "",
        *(f"- `{code}`" for code in sorted(OTHER_ACTIONS)),
    ]
    return "\n".join(lines) + "\n"


def delay_text(action: Action, seconds: int | None) -> str:
    """Return a delay in words: in the largest unit that divides it."""
    if seconds is None:
        return "permanently" if action is Action.SUPPRESS else ""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _row(code: str, rule: Rule) -> tuple[str, ...]:
    calls = f", after {rule.retries} more try" if rule.retries else ""
    unless = f"; `reject` with {', '.join(rule.unless)}" if rule.unless else ""
    return (
        f"`{code}`",
        f"`{rule.action.value}`{calls}{unless}",
        rule.scope.value.replace("_", " "),
        delay_text(rule.action, rule.delay),
        "yes" if rule.certainly_not_sent else "no",
        rule.why,
        rule.hint,
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows)]


def committed() -> dict[str, bytes]:
    """Return the generated files that git has: their paths below the project, with their contents."""
    return {"docs/errors.md": errors_page().encode()}


def built() -> dict[str, bytes]:
    """Return the generated files that git ignores, as `committed` does: `make setup` writes them."""
    return {
        "docs/openapi.json": document_text().encode(),
        f"{_STATIC}/openapi.json": served_text().encode(),
        **{f"{_STATIC}/{name}": content for name, content in viewer_files().items()},
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the files that are not up to date, and delete what an earlier version served."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--built", action="store_true", help="only the files that git ignores")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    options = parser.parse_args(arguments)
    files = built() if options.built else committed() | built()
    served = (options.root / _STATIC).rglob("*")
    for path in {path for path in served if path.is_file()} - {options.root / name for name in files}:
        path.unlink()
    for name, content in files.items():
        path = options.root / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


if __name__ == "__main__":
    main()
