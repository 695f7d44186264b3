"""The command line, `python -m mailer`: doctor, digest check, digest plan, resolve."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .config.file import Config
from .errors import MailerError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 1 where something is wrong, and said."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except MailerError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mailer", description="Look into Mailer, and decide for it.")
    commands = parser.add_subparsers(required=True)
    doctor = commands.add_parser("doctor", help="look for what would lose email, repeat it or stop it")
    doctor.set_defaults(command=_doctor)
    resolve = commands.add_parser("resolve", help="settle an unknown email that waits for an operator")
    resolve.add_argument("id", help="the email's id, with or without its domain")
    resolve.add_argument("verdict", choices=("accepted", "failed", "resend"), help="what is known of it")
    resolve.set_defaults(command=_resolve)
    digest = commands.add_parser("digest", help="digests").add_subparsers(required=True)
    check = digest.add_parser("check", help="check every digest of mailer.toml, its expressions too")
    check.add_argument(
        "--config", default=os.environ.get("MAILER_CONFIG") or "mailer.toml", help="path of mailer.toml"
    )
    check.set_defaults(command=_check)
    plan = digest.add_parser("plan", help="say who would get what at a tick; nothing is sent")
    plan.add_argument("name", help="the digest")
    plan.add_argument("--at", required=True, metavar="TIME", help="the tick's time, RFC 3339")
    plan.set_defaults(command=_plan)
    return parser


def _doctor(_options: argparse.Namespace) -> int:
    from .doctor import run_checks
    from .runtime import Runtime

    findings = list(run_checks(Runtime.current()))
    for finding in findings:
        word = "ok" if finding.good else "WRONG" if finding.grave else "note"
        print(f"{word:<5}  {finding.subject:<22}  {finding.detail}")
    return int(any(finding.grave and not finding.good for finding in findings))


def _check(options: argparse.Namespace) -> None:
    from .digest.render import check

    digests = Config.load(options.config).digests
    for digest in digests.values():
        check(digest)
    print(f"{len(digests)} digests are right: {', '.join(sorted(digests)) or 'none'}")


def _plan(options: argparse.Namespace) -> None:
    from .digest.plan import plan
    from .runtime import Runtime

    sending = skipped = 0
    for planned in plan(options.name, options.at, Runtime.current()):
        print(f"{planned.why:<13} {planned.items:>5} items  {planned.window or '-':<20} {planned.address}")
        sending += planned.window is not None
        skipped += planned.window is None
    print(f"{sending} to send, {skipped} skipped")


def _resolve(options: argparse.Namespace) -> None:
    from .delivery.reconcile import resolve
    from .runtime import Runtime

    outcome = resolve(options.id.partition("@")[0], options.verdict, Runtime.current())
    print(f"{outcome.id}: {outcome.state.value}")


if __name__ == "__main__":
    sys.exit(main())
