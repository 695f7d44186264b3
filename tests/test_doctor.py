"""`mailer doctor` against a real store and the emulator: it finds what breaks the delivery guarantee."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import SECRET
from http_calls import call
from local.ses_emulator import Emulator
from mailer.__main__ import main
from mailer.config.settings import Settings
from mailer.doctor import run_checks
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
    assert len(lines) == 12
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


@pytest.mark.parametrize(("used", "result", "status"), [(79, "ok", 0), (80, "note", 0), (100, "WRONG", 1)])
def test_dead_letters_that_leave_no_room_are_found(
    runtime: Runtime, capsys: pytest.CaptureFixture[str], used: int, result: str, status: int
) -> None:
    size = runtime.settings.dead_letters_max * used // 100 + 1
    runtime.ledger.store.client.hset(runtime.ledger.store.key("dead_size"), "bytes", size)
    assert main(["doctor"]) == status
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "store: dead letters" in line]
    assert line.startswith(result)
    assert line.endswith(f" {used} % of MAILER_DEAD_LETTERS_MAX are used")
    assert call("GET", "/health")[2] == {"status": "ok" if result == "ok" else "degraded"}


@pytest.mark.parametrize(("room", "result"), [(2.0, "ok"), (1.1, "note"), (0.9, "WRONG")])
def test_memory_that_is_nearly_full_is_found(
    runtime: Runtime, capsys: pytest.CaptureFixture[str], room: float, result: str
) -> None:
    client = runtime.ledger.store.client
    client.config_set("maxmemory", int(room * client.info("memory")["used_memory"]))
    try:
        assert main(["doctor"]) == int(result == "WRONG")
        assert call("GET", "/health")[2] == {"status": "ok" if result == "ok" else "degraded"}
    finally:
        client.config_set("maxmemory", 0)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "store: memory" in line]
    assert line.startswith(result)
    assert line.endswith(" % of maxmemory are used")


def test_store_that_is_down_is_found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", "redis://127.0.0.1:1/0")
    assert "nothing can be sent" in wrong(Runtime.current())["store"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://:secret@store.example:6379/0", "use rediss://"),
        ("valkey://:secret@10.0.0.5:6379/0?cluster=true", "a private one too"),
        ("redis://:secret@203.0.113.5", "use rediss://"),
        ("rediss://:secret@store.example?ssl_cert_reqs=none", "remove ssl_cert_reqs=none"),
        ("rediss://:secret@store.example?ssl_check_hostname=false", "remove ssl_check_hostname=false"),
    ],
)
def test_connection_to_the_store_that_others_can_read_is_wrong(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", url)
    check = next(run_checks(Runtime.current()))
    assert (check.subject, check.passed, check.critical) == ("store: connection", False, True)
    assert reason in check.detail
    assert not [word for word in ("secret", "store.example", "10.0.0.5") if word in check.detail]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:secret@store.example:6379/0",
        "valkeys://store.example?cluster=true&ssl_cert_reqs=required",
        "redis://127.0.0.1:6379/0",
        "redis://[::1]:6379/0",
        "redis://localhost",
        "rediss://valkey.localhost?ssl_cert_reqs=none",
        "unix:///run/valkey.sock",
    ],
)
def test_connection_to_the_store_that_is_encrypted_or_local_is_right(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("MAILER_STORE_URL", url)
    check = next(run_checks(Runtime.current()))
    assert (check.subject, check.passed) == ("store: connection", True)


@pytest.mark.parametrize(
    ("endpoint", "wrong_with"),
    [
        ("ses.intl.tencentcloudapi.com", None),
        ("https://ses.example", None),
        ("http://127.0.0.1:1", None),
        ("http://localhost:1", None),
        ("http://127.0.0.1.example:1", "https://"),
        ("http://10.0.0.5:1", "https://"),
        ("http://ses.example", "https://"),
    ],
)
def test_connection_to_ses_that_others_can_read_is_wrong(
    runtime: Runtime, endpoint: str, wrong_with: str | None
) -> None:
    settings = Settings.from_environment(
        {"MAILER_STORE_URL": runtime.settings.store_url, "MAILER_SES_ENDPOINT": endpoint}
    )
    checks = {check.subject: check for check in run_checks(replace(runtime, settings=settings))}
    check = checks["SES: connection"]
    assert (check.passed, check.critical) == (wrong_with is None, True)
    assert (wrong_with or "") in check.detail


def test_key_that_ses_refuses_is_found(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_SECRET_KEY", "wrong")
    assert wrong(runtime)["SES"].startswith("AuthFailure.SignatureFailure: ")


@pytest.mark.parametrize(
    ("offset", "status", "result"),
    [(0, 0, "ok"), (58, 0, "ok"), (-58, 0, "ok"), (90, 0, "note"), (-90, 0, "note"), (302, 1, "WRONG")],
)
def test_clock_of_the_store_is_compared_with_that_of_ses(
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    offset: int,
    status: int,
    result: str,
) -> None:
    now = runtime.ledger.store.now
    monkeypatch.setattr(type(runtime.ledger.store), "now", lambda _store: now() - offset * 1000)
    assert main(["doctor"]) == status
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [kind for kind, text in lines if text.startswith("store: clock")] == [result]
    assert [kind for kind, text in lines if text.startswith("clock")] == ["ok"]


def test_local_clock_is_compared_with_that_of_ses(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(credentials=dict([SECRET]), clock_offset=-200) as ses:
        monkeypatch.setenv("MAILER_SES_ENDPOINT", ses.endpoint)
        checks = {check.subject: check for check in run_checks(Runtime.current())}
        Runtime.current().ses.close()
    for subject, whose in (("clock", "this machine's"), ("store: clock", "the store's")):
        assert not checks[subject].passed
        assert not checks[subject].critical
        assert checks[subject].detail.startswith("SES's is ")
        assert f"seconds behind {whose}" in checks[subject].detail


def test_clock_that_ses_refuses_is_found(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(credentials=dict([SECRET]), clock_offset=400) as ses:
        monkeypatch.setenv("MAILER_SES_ENDPOINT", ses.endpoint)
        found = wrong(Runtime.current())
        Runtime.current().ses.close()
    assert found["SES"].startswith("AuthFailure.SignatureExpire")
    assert set(found) >= {"SES", "clock", "store: clock"}


def test_clocks_are_not_compared_without_a_response(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_SES_ENDPOINT", "http://127.0.0.1:1")
    assert not {"clock", "store: clock"} & {check.subject for check in run_checks(Runtime.current())}
