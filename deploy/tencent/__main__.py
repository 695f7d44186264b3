"""``python -m deploy.tencent plan|deploy|info|remove``: by osls or without it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from deploy.tencent import variables
from deploy.tencent.api import Scf
from deploy.tencent.deployer import Deployer
from deploy.tencent.errors import DeployError
from deploy.tencent.service import Service

COMMANDS = ("plan", "deploy", "info", "remove")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Return 0, or 1 after an error, which is printed on standard error."""
    options = _parser().parse_args(arguments)
    try:
        service = Service.parse(_document(options))
        scf = Scf(
            service.provider.region,
            service.provider.namespace,
            endpoint=options.endpoint or service.provider.endpoint,
            environment=os.environ,
        )
        deployer = Deployer(service, scf, print)
        if options.command == "remove":
            deployer.remove()
        elif options.command == "info":
            print("\n".join(deployer.info()))
        elif options.command == "plan" or options.dry_run:
            print(_summary(len(deployer.plan()), "to make"))
        else:
            print(_summary(len(deployer.deploy()), "made"))
            print("\n".join(deployer.info()))
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.tencent", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--dry-run", action="store_true", help="with deploy: the same as plan")
    parser.add_argument("--config", type=Path, default=Path("serverless.tencent.yml"))
    parser.add_argument(
        "--resolved", action="store_true", help="read the file as resolved JSON from standard input"
    )
    parser.add_argument("--stage", help="default: the file's own")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the file"
    )
    parser.add_argument(
        "--endpoint", help="host, or http://host:port for an emulator (default: the file's own)"
    )
    return parser


def _document(options: argparse.Namespace) -> dict[str, object]:
    if options.resolved:
        resolved: dict[str, object] = json.load(sys.stdin)
        return resolved
    given = {"stage": options.stage} if options.stage else {}
    parameters = dict(parameter.split("=", 1) for parameter in options.param)
    document: dict[str, object] = variables.read(options.config, given, parameters, os.environ)
    return document


def _summary(count: int, verb: str) -> str:
    return f"{count} change{'' if count == 1 else 's'} {verb}"


if __name__ == "__main__":
    sys.exit(main())
