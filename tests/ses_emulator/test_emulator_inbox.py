from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

FIELDS = {
    "sequence", "received", "received_at", "message_id", "request_id", "smtp_message_id", "from", "to", "cc",
    "bcc", "reply_to", "header_from", "subject", "html", "text", "template", "missing_variables",
    "attachments", "headers", "unsubscribe", "trigger_type", "raw", "task_id",
}  # fmt: skip


def subjects(items: Any) -> list[str]:
    return [item["subject"] for item in items]


def test_inbox_lists_every_accepted_email(sdk: Sdk, wire: Wire) -> None:
    request_id = sdk.send(Subject="first")["RequestId"]
    sdk.send(Subject="second")
    first, second = wire.json("GET", "inbox")
    assert set(first) == FIELDS
    assert (first["subject"], first["request_id"], second["sequence"]) == ("first", request_id, 2)
    assert wire.json("GET", "inbox/2") == second


def test_inbox_is_filtered(ses: Emulator, sdk: Sdk, wire: Wire) -> None:
    sdk.send(Subject="one", Destination=["ada@example.com"], SmtpMessageId="<1@shop.example>")
    sdk.send(Subject="two", Cc=["ADA@example.com"], SmtpMessageId="<2@shop.example>")
    sdk.send(Subject="three")
    assert subjects(wire.json("GET", "inbox?to=ada%40example.com")) == ["one", "two"]
    for smtp_message_id in ("2%40shop.example", "%3C2%40shop.example%3E"):
        assert subjects(wire.json("GET", f"inbox?smtp_message_id={smtp_message_id}")) == ["two"]
    assert subjects(wire.json("GET", "inbox?after=1&limit=1")) == ["three"]
    assert wire.json("GET", "inbox?limit=0") == []
    assert set(wire.json("GET", "inbox?summary=1")[0]) < FIELDS | {"all"}
    assert [mail.subject for mail in ses.inbox(to="ada@example.com", after=1)] == ["two"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_emulator/inbox/7", 404),
        ("GET", "/_emulator/inbox/first", 400),
        ("GET", "/_emulator/inbox?after=x", 400),
        ("GET", "/_emulator/nothing", 404),
        ("GET", "/health", 404),
        ("PUT", "/_emulator/inbox", 404),
        ("POST", "/_emulator/inbox", 404),
        ("POST", "/_emulator/callbacks", 404),
    ],
)
def test_what_does_not_exist_is_an_error_in_json(wire: Wire, method: str, path: str, status: int) -> None:
    reply = wire.request(method, path)
    assert reply.status == status
    assert json.loads(reply.body)["error"]


def test_calls_have_their_outcome(sdk: Sdk, wire: Wire) -> None:
    sdk.send(SmtpMessageId="<1@shop.example>")
    for change in ({"Subject": ""}, {"Oo": 1}, {"Destination": ["reset-before@fault.example"]}):
        with pytest.raises(TencentCloudSDKException):
            sdk.send(**change)
    calls = wire.json("GET", "requests")
    assert [call["outcome"] for call in calls] == [
        "accepted",
        "InvalidParameterValue",
        "UnknownParameter",
        "not-accepted",
    ]
    assert calls[0]["smtp_message_id"] == "<1@shop.example>"
    assert calls[0]["message_id"] == wire.json("GET", "inbox")[0]["message_id"]
    assert calls[3]["recipients"] == ["reset-before@fault.example"]
    assert wire.json("GET", "requests?limit=1") == calls[3:]


def test_stats_count_acceptances_of_each_message_id(ses: Emulator, sdk: Sdk, wire: Wire) -> None:
    for smtp_message_id in ("<1@shop.example>", "<2@shop.example>", "<2@shop.example>", None):
        sdk.send(SmtpMessageId=smtp_message_id)
    stats = wire.json("GET", "stats")
    assert stats["accepted"] == stats["calls"] == stats["kept"] == 4
    assert stats["acceptances"] == {"<1@shop.example>": 1, "<2@shop.example>": 2}
    assert stats["duplicates"] == 1
    assert stats["outcomes"] == {"accepted": 4}
    assert stats == json.loads(json.dumps(ses.stats()))
    assert ses.acceptances("2@shop.example") == 2


def test_reset_deletes_everything_except_templates(ses: Emulator, sdk: Sdk, wire: Wire) -> None:
    wire.json("POST", "templates", {"id": 7, "name": "hi", "text": "Hi {{name}}"})
    ses.add_fault("InternalError", times=None, subject="never")
    sdk.send(Destination=["TemporaryBlocked+once@fault.example", "a@b.example"][1:])
    assert wire.json("DELETE", "inbox") == {"ok": True}
    assert wire.json("GET", "inbox") == wire.json("GET", "requests") == wire.json("GET", "faults") == []
    assert wire.json("GET", "stats")["accepted"] == 0
    assert sdk.send(Template={"TemplateID": 7, "TemplateData": "{}"})["MessageId"]
    assert ses.inbox()[0].sequence == 1


def test_templates_are_added_and_replaced(ses: Emulator, sdk: Sdk, wire: Wire) -> None:
    for text in ("Hi {{name}}", "Hello {{name}}"):
        wire.json("POST", "templates", {"id": 7, "name": "hi", "text": text})
    sdk.send(Template={"TemplateID": 7, "TemplateData": '{"name": "Ada"}'})
    assert ses.inbox()[0].text == "Hello Ada"
    assert [template["id"] for template in wire.json("GET", "templates")] == [7, *range(100091, 100096)]


@pytest.mark.parametrize(
    "template", [[], {"id": 7}, {"id": "7", "name": "x"}, {"id": 7, "name": "x", "body": "y"}]
)
def test_invalid_template_is_rejected(wire: Wire, template: Any) -> None:
    assert wire.request("POST", "/_emulator/templates", json.dumps(template).encode()).status == 400


def test_only_the_newest_emails_are_stored_and_counts_include_all(
    start: Callable[..., Emulator], connect: Callable[..., Sdk]
) -> None:
    ses = start(inbox_limit=3)
    sdk = connect(ses)
    for number in range(5):
        sdk.send(Subject=str(number), SmtpMessageId="<same@shop.example>")
    assert [mail.subject for mail in ses.inbox()] == ["2", "3", "4"]
    assert (ses.stats()["accepted"], ses.stats()["kept"], ses.acceptances("same@shop.example")) == (5, 3, 5)


def test_inbox_is_bounded_in_bytes_too(start: Callable[..., Emulator], connect: Callable[..., Sdk]) -> None:
    ses = start(inbox_bytes=10_000)
    sdk = connect(ses)
    for size in (3_000, 3_000, 3_000):
        content = base64.b64encode(b"x" * size).decode()
        sdk.send(Attachments=[{"FileName": "a.txt", "Content": content}])
    assert len(ses.inbox()) == 2
    assert ses.stats()["kept_bytes"] <= 10_000


def test_web_pages_of_other_origins_are_rejected(ses: Emulator, wire: Wire) -> None:
    foreign = wire.request("DELETE", "/_emulator/inbox", headers={"Origin": "https://elsewhere.example"})
    assert foreign.status == 403
    assert wire.request("DELETE", "/_emulator/inbox", headers={"Origin": ses.endpoint}).status == 200


def test_calls_of_the_ses_api_never_reach_the_admin_api(wire: Wire) -> None:
    reply = wire.request("GET", "/_emulator/inbox", headers={"X-TC-Action": "SendEmail"})
    assert json.loads(reply.body)["Response"]["Error"]["Code"] == "UnsupportedProtocol"


def test_health_and_counts(sdk: Sdk, wire: Wire) -> None:
    sdk.send()
    with pytest.raises(TencentCloudSDKException):
        sdk.send(Destination=["nobody"])
    assert wire.json("GET", "health") == {"status": "ok"}
    counts = wire.json("GET", "counts")
    assert counts.pop("busiest_second") in {1, 2}
    assert counts == {"accepted": 1, "calls": 2, "not_accepted": 1, "duplicates": 0}


def test_page_is_one_file_that_runs_no_script_except_its_own(wire: Wire) -> None:
    reply = wire.request("GET", "/")
    page = reply.body.decode()
    policy = reply.headers["Content-Security-Policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert 'setAttribute("sandbox", "")' in script
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|https?://", page)
