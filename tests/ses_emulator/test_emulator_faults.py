from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.ses.v20201002 import models

from local.ses_emulator.errors import API_PAGE_CODES, COMMON_CODES
from local.ses_emulator.faults import TRANSPORT_FAULTS, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk, Wire

MESSAGE_ID = "<order-118@mail.shop.example>"


def fault(name: str) -> dict[str, Any]:
    return {"Destination": [f"{name}@fault.example"], "SmtpMessageId": MESSAGE_ID}


# Whether the email is accepted, and the code of the exception that the SDK raises (None: no exception).
AS_THE_SDK_SEES_IT = {
    "answer-lost": (True, "ClientNetworkError"),
    "reset-before": (False, "ClientNetworkError"),
    "reset-after": (True, "ClientNetworkError"),
    "slow": (True, "ClientNetworkError"),
    "slow-before": (False, "ClientNetworkError"),
    "http-500": (True, "ServerNetworkError"),
    "http-502": (False, "ServerNetworkError"),
    "cut-body": (True, "ChunkedEncodingError"),
    "bad-json": (True, "JSONDecodeError"),
    "html": (True, "JSONDecodeError"),
    "no-message-id": (True, None),
    "charset": (False, None),
    "charset-accepted": (True, None),
    "no-content-type": (True, None),
    "redirect-307": (True, None),
}


def test_every_transport_fault_is_tested() -> None:
    assert set(AS_THE_SDK_SEES_IT) == set(TRANSPORT_FAULTS)


@pytest.mark.parametrize("name", AS_THE_SDK_SEES_IT)
def test_recipient_selects_a_transport_fault(ses: Emulator, connect: Callable[..., Sdk], name: str) -> None:
    accepted, code = AS_THE_SDK_SEES_IT[name]
    client = connect(ses, timeout=(5, 0.3) if name.startswith("slow") else 10).client
    request = models.SendEmailRequest()
    request._deserialize(
        {
            "FromEmailAddress": "noreply@mail.shop.example",
            "Subject": "Hello",
            "Template": {"TemplateID": 100091, "TemplateData": "{}"},
            **fault(name.upper()),
        }
    )
    if code is None:
        client.SendEmail(request)
    else:
        with pytest.raises(TencentCloudSDKException) as caught:
            client.SendEmail(request)
        assert caught.value.code == code
    assert ses.acceptances(MESSAGE_ID) == accepted
    assert ses.calls()[0].fault == name


def raw_response(wire: Wire, name: str) -> bytes:
    body = {"FromEmailAddress": "a@b.example", "Subject": "x", **fault(name)}
    body["Template"] = {"TemplateID": 100091, "TemplateData": "{}"}
    received = b""
    with wire.connect() as connection:
        connection.sendall(wire.bytes_of(json.dumps(body).encode(), connection="close"))
        while part := connection.recv(65536):
            received += part
    return received


def test_answer_lost_closes_the_connection_with_a_fin(ses: Emulator, wire: Wire) -> None:
    assert raw_response(wire, "answer-lost") == b""
    assert len(ses.inbox()) == 1


@pytest.mark.parametrize(("name", "accepted"), [("reset-before", 0), ("reset-after", 1)])
def test_reset_is_a_reset(ses: Emulator, wire: Wire, name: str, accepted: int) -> None:
    with pytest.raises(ConnectionResetError):
        raw_response(wire, name)
    assert len(ses.inbox()) == accepted


def test_cut_body_is_shorter_than_its_length(wire: Wire) -> None:
    head, _, body = raw_response(wire, "cut-body").partition(b"\r\n\r\n")
    length = next(int(line.split()[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert 0 < len(body) < length


@pytest.mark.parametrize(
    ("name", "status", "content_type"),
    [
        ("http-500", b"500 Internal Server Error", b"text/html; charset=utf-8"),
        ("http-502", b"502 Bad Gateway", b"text/html; charset=utf-8"),
        ("html", b"200 OK", b"text/html; charset=utf-8"),
        ("bad-json", b"200 OK", b"application/json"),
        ("charset", b"200 OK", b"application/json; charset=utf-8"),
        ("charset-accepted", b"200 OK", b"application/json; charset=utf-8"),
        ("no-content-type", b"200 OK", None),
        ("redirect-307", b"307 Temporary Redirect", b"application/json"),
    ],
)
def test_head_of_an_altered_response(
    wire: Wire, name: str, status: bytes, content_type: bytes | None
) -> None:
    lines = raw_response(wire, name).partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 " + status
    types = [line.partition(b": ")[2] for line in lines if line.startswith(b"Content-Type")]
    assert types == ([] if content_type is None else [content_type])


def test_charset_returns_an_error_that_the_sdk_takes_for_a_success(ses: Emulator, sdk: Sdk) -> None:
    assert sdk.send(**fault("charset"))["Error"]["Code"] == "RequestLimitExceeded"
    assert ses.calls()[0].outcome == "RequestLimitExceeded"


def test_slow_response_ends_with_the_time_for_slow_faults(
    start: Callable[..., Emulator], wires: type[Wire]
) -> None:
    ses = start(slow_seconds=0.05)
    assert raw_response(wires(ses), "slow") == b""
    assert len(ses.inbox()) == 1


def test_redirect_is_followed_to_one_acceptance(ses: Emulator, sdk: Sdk) -> None:
    assert sdk.send(**fault("redirect-307"))["MessageId"] == ses.inbox()[0].ses_message_id
    assert [call.outcome for call in ses.calls()] == ["not-accepted", "accepted"]


@pytest.mark.parametrize("code", sorted({**API_PAGE_CODES, **COMMON_CODES}))
def test_recipient_selects_any_code(ses: Emulator, sdk: Sdk, code: str) -> None:
    for name in {code, code.lower()}:
        with pytest.raises(TencentCloudSDKException) as caught:
            sdk.send(**fault(name))
        assert caught.value.code == code
        assert caught.value.message
        assert caught.value.requestId == ses.calls()[-1].request_id
    assert ses.inbox() == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EmailAddrInBlacklist", "FailedOperation.EmailAddrInBlacklist"),
        ("temporaryblocked", "FailedOperation.TemporaryBlocked"),
        ("SignatureExpire", "AuthFailure.SignatureExpire"),
        ("IPLimitExceeded", "RequestLimitExceeded.IPLimitExceeded"),
        ("UnauthorizedOperation", "UnauthorizedOperation"),
        ("FailedOperation.SomethingNew", "FailedOperation.SomethingNew"),
    ],
)
def test_code_may_go_by_its_last_part_and_may_be_new(name: str, code: str) -> None:
    found = find(name)
    assert found is not None
    assert (found.code, found.accepts) == (code, False)


@pytest.mark.parametrize("name", ["no-such-fault", "answer-lost+often", "EmailAddrInBlacklist+x"])
def test_misspelt_fault_is_not_an_accepted_email(ses: Emulator, sdk: Sdk, name: str) -> None:
    with pytest.raises(TencentCloudSDKException, match="no fault named"):
        sdk.send(**fault(name))
    assert ses.inbox() == []


@pytest.mark.parametrize(("suffix", "failures"), [("+once", 1), ("+1", 1), ("+3", 3)])
def test_only_the_first_attempts_of_a_message_fail(sdk: Sdk, suffix: str, failures: int) -> None:
    for smtp_message_id in ("<1@mail.shop.example>", "<2@mail.shop.example>"):
        for _ in range(failures):
            with pytest.raises(TencentCloudSDKException, match="TemporaryBlocked"):
                sdk.send(**{**fault(f"TemporaryBlocked{suffix}"), "SmtpMessageId": smtp_message_id})
        assert sdk.send(**{**fault(f"TemporaryBlocked{suffix}"), "SmtpMessageId": smtp_message_id})[
            "MessageId"
        ]


def test_redelivery_after_a_lost_response_is_a_duplicate(ses: Emulator, sdk: Sdk) -> None:
    with pytest.raises(TencentCloudSDKException):
        sdk.send(**fault("answer-lost+once"))
    sdk.send(**fault("answer-lost+once"))
    assert ses.acceptances(MESSAGE_ID) == 2
    assert ses.stats()["duplicates"] == 1


def test_fault_comes_from_any_recipient_field(sdk: Sdk) -> None:
    for field in ("Destination", "Cc", "Bcc"):
        with pytest.raises(TencentCloudSDKException, match="TemporaryBlocked"):
            sdk.send(**{field: ["TemporaryBlocked@FAULT.example"]})


def test_request_is_checked_before_a_fault(ses: Emulator, sdk: Sdk) -> None:
    with pytest.raises(TencentCloudSDKException, match="MissingEmailContent"):
        sdk.send(Template=None, **fault("answer-lost"))
    assert ses.calls()[0].fault == ""


def test_rule_fails_the_next_calls_that_match(ses: Emulator, sdk: Sdk) -> None:
    ses.add_fault("InternalError", times=2, recipient="*@shop.example", subject="order*")
    mail = {"Subject": "Order 1", "Destination": ["ADA@shop.example"]}
    for other in ({**mail, "Subject": "Invoice"}, {**mail, "Destination": ["ada@other.example"]}):
        assert sdk.send(**other)["MessageId"]
    for _ in range(2):
        with pytest.raises(TencentCloudSDKException, match="InternalError"):
            sdk.send(**mail)
    assert sdk.send(**mail)["MessageId"]


def test_rule_for_all_calls_lasts_until_it_is_deleted(ses: Emulator, sdk: Sdk, wire: Wire) -> None:
    rule = wire.json("POST", "faults", {"fault": "ServiceUnavailable", "times": None, "message": "down"})
    assert rule == {"id": 1, "fault": "ServiceUnavailable", "times": None, "match": {}}
    for _ in range(3):
        with pytest.raises(TencentCloudSDKException, match="down"):
            sdk.send()
    assert wire.json("GET", "faults") == [rule]
    assert wire.json("DELETE", "faults") == {"ok": True}
    assert sdk.send()["MessageId"]


def test_rule_may_be_for_another_action(ses: Emulator, sdk: Sdk) -> None:
    ses.add_fault("http-502", action="GetEmail*")
    assert sdk.send()["MessageId"]
    with pytest.raises(TencentCloudSDKException, match="ServerNetworkError"):
        sdk.call("GetEmailTemplate", TemplateID=100091)
    assert sdk.call("GetEmailTemplate", TemplateID=100091)["TemplateName"]


def test_rule_for_one_message_id(ses: Emulator, sdk: Sdk) -> None:
    ses.add_fault("answer-lost", smtp_message_id=MESSAGE_ID)
    assert sdk.send(SmtpMessageId="<other@mail.shop.example>")["MessageId"]
    with pytest.raises(TencentCloudSDKException, match="ClientNetworkError"):
        sdk.send(SmtpMessageId=MESSAGE_ID)
    assert ses.acceptances(MESSAGE_ID) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"fault": 1},
        {"fault": "nothing-such"},
        {"fault": "slow", "times": 0},
        {"fault": "slow", "times": "2"},
        {"fault": "slow", "match": {"colour": "red"}},
        {"fault": "slow", "match": {"subject": 1}},
        {"fault": "slow", "match": "all"},
        {"fault": "slow", "minutes": 1},
    ],
)
def test_invalid_rule_is_rejected(ses: Emulator, wire: Wire, fields: dict[str, Any]) -> None:
    reply = wire.request("POST", "/_emulator/faults", json.dumps(fields).encode())
    assert reply.status == 400
    assert json.loads(reply.body)["error"]
    assert ses.faults.rules() == []
