"""`mailer doctor` against a real store and the emulator: it finds what breaks the delivery guarantee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailer.__main__ import main
from mailer.doctor import run_checks

if TYPE_CHECKING:
    from local.ses_emulator import Emulator
    from mailer.runtime import Runtime


def wrong(runtime: Runtime) -> dict[str, str]:
    return {check.subject: check.detail for check in run_checks(runtime) if not check.passed}


def test_healthy_deployment_has_nothing_wrong(
    runtime: Runtime,
    ses: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MAILER_CALLBACK_TOKEN", "a-token-of-the-tests")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("ok ") for line in lines)
    assert ses.calls() == []  # it sends nothing


def test_check_that_is_not_critical_is_a_note(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAILER_API_KEYS", "")
    assert main(["doctor"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    assert [line.split()[1] for line in notes] == ["MAILER_API_KEYS", "MAILER_CALLBACK_TOKEN"]


@pytest.mark.parametrize(
    ("setting", "bad", "good", "subject"),
    [
        ("appendonly", "no", "yes", "store: durable"),
        ("maxmemory-policy", "allkeys-lru", "noeviction", "store: noeviction"),
    ],
)
def test_store_that_would_lose_records_is_found(
    runtime: Runtime, capsys: pytest.CaptureFixture[str], setting: str, bad: str, good: str, subject: str
) -> None:
    runtime.ledger.store.client.config_set(setting, bad)
    try:
        assert subject in wrong(runtime)
        assert main(["doctor"]) == 1
    finally:
        runtime.ledger.store.client.config_set(setting, good)
    assert "WRONG" in capsys.readouterr().out


def test_store_that_is_down_is_found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.runtime import Runtime

    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    assert "nothing can be sent" in wrong(Runtime.current())["store"]


def test_key_that_ses_refuses_is_found(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_SECRET_KEY", "wrong")
    assert wrong(runtime)["SES"].startswith("AuthFailure.SignatureFailure: ")


def test_clock_that_is_off_is_found(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.doctor.time.time", lambda: 0.0)
    assert "clock" in wrong(runtime)
