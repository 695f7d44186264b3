"""The demo as its users run it: as a program, in a pipe and in a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.demo import EXPECTED
from local.sample_events import sample_events
from sample_kinds import every_source

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def run(logs: Path, *program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, "--logs", str(logs)],
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def demo(logs: Path) -> subprocess.CompletedProcess[str]:
    return run(logs, "-m", "local.demo")


@pytest.fixture(scope="module")
def rows(demo: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """The table's lines by event: trigger, response, state, id and code of its first row."""
    lines = (re.split(r"  +", line) for line in demo.stdout.splitlines())
    return {cells[0]: cells[1:] for cells in lines if cells[0].endswith(".json")}


def test_demo_finds_no_unexpected_result(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.stderr == ""
    assert demo.returncode == 0


def test_every_sample_event_is_in_the_table(rows: dict[str, list[str]]) -> None:
    assert list(rows) == [event.name for event in sample_events()]


@every_source
def test_sample_event_is_run_by_its_function(rows: dict[str, list[str]], name: str) -> None:
    assert rows[name][1] == EXPECTED.get(name, ("200", []))[0]


def test_every_http_event_succeeds(rows: dict[str, list[str]]) -> None:
    responses = {name: cells[1] for name, cells in rows.items() if "/http-" in name}
    assert responses
    assert set(responses.values()) == {"200", "202"}


def test_status_of_an_email_names_the_email_that_was_posted(rows: dict[str, list[str]]) -> None:
    assert rows["aws/http-api-gateway-v2-get-email.json"][3] == rows["aws/http-api-gateway-v1.json"][3]


def test_invalid_message_goes_back_to_its_queue(rows: dict[str, list[str]]) -> None:
    assert rows["aws/queue-sqs.json"][:2] == ["sqs", "2 done, 1 returned"]


@pytest.mark.parametrize(
    "line",
    [
        "200, Idempotent-Replayed: true; emails in the inbox: 1",
        "first request: 202 unknown, Idempotent-Replayed: false; calls to SES: 1",
        "same request again: 202 unknown, Idempotent-Replayed: true; calls to SES: 1",
        "send_at in the future: scheduled",
        "SES returns RequestLimitExceeded and the function runs out of time: deferred",
        "after the sweep: accepted, accepted",
    ],
)
def test_demo_shows_duplicates_lost_responses_and_deferral(
    demo: subprocess.CompletedProcess[str], line: str
) -> None:
    assert f"  {line}\n" in demo.stdout


def test_summary_lists_each_recipient_once(demo: subprocess.CompletedProcess[str]) -> None:
    recipients = re.findall(r"\S+@\S+", demo.stdout.partition("emails in the inbox:\n")[2])
    assert "ann@customer.example" in recipients
    assert len(recipients) == len(set(recipients))


def test_functions_log_json_without_an_address(demo: subprocess.CompletedProcess[str], logs: Path) -> None:
    text = "".join(path.read_text() for path in logs.glob("*.log"))
    assert all(json.loads(line)["service"].startswith("mailer") for line in text.splitlines())
    assert "accepted" in text
    assert not re.search(r"@(customer|fault)\.example", text)


def test_unexpected_result_is_named_and_fails_the_demo(tmp_path: Path) -> None:
    program = (
        "import sys; from local import demo; "
        "demo.EXPECTED['aws/http-api-gateway-v1.json'] = ('404', []); sys.exit(demo.main())"
    )
    result = run(tmp_path, "-c", program)
    assert result.returncode == 1
    assert "Unexpected result: aws/http-api-gateway-v1.json gave ('200', ['accepted'])" in result.stderr


def test_in_a_terminal_the_inbox_stays_open_until_enter(tmp_path: Path) -> None:
    here, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "local.demo", "--logs", str(tmp_path)],
            cwd=ROOT,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            url = next(filter(None, (re.search(r"Open the inbox: (\S+)", line) for line in lines(here))))
            with urllib.request.urlopen(url[1]) as page:  # noqa: S310 - the demo prints an http URL
                assert page.status == 200
            os.write(here, b"\n")
            assert process.wait() == 0
    finally:
        os.close(here)


def lines(terminal: int) -> Iterator[str]:
    """Yield the lines of a terminal as they come, until its program has ended."""
    text = ""
    while True:
        try:
            text += os.read(terminal, 4096).decode()
        except OSError:  # the program has ended, and with it the other side of the terminal
            return
        *whole, text = text.split("\n")
        yield from whole
