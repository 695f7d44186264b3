from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tencentcloud.ses.v20201002 import errorcodes

from factories import email
from mailer.ses import error_table as actions
from mailer.ses.error_table import (
    GROUPS,
    OTHER_ACTIONS,
    TABLE,
    UNLISTED,
    Action,
    Rule,
    Scope,
    is_listed,
    rule_for,
)
from mailer.ses.request_faults import FAULTS, rule_for_request

ERROR_CODES = Path(__file__).parents[1] / "local/ses_emulator/error_codes.json"
DOCUMENTED: dict[str, dict[str, str]] = json.loads(ERROR_CODES.read_text(encoding="utf-8"))
SDK_CONSTANTS = frozenset(code for name, code in vars(errorcodes).items() if name.isupper())

codes = st.sampled_from(sorted(TABLE))
names = st.from_regex(r"[A-Z][A-Za-z]{1,12}", fullmatch=True)


def unjudged(judged: set[str]) -> set[str]:
    """Return the documented codes and the SDK's constants that are not in `judged`."""
    return {*DOCUMENTED["api_page"], *DOCUMENTED["common"], *SDK_CONSTANTS} - judged


def test_every_documented_code_and_every_constant_of_the_sdk_is_judged() -> None:
    assert unjudged({*TABLE, *OTHER_ACTIONS}) == set()
    assert not {*DOCUMENTED["api_page"], *DOCUMENTED["common"]} & OTHER_ACTIONS


@pytest.mark.parametrize("code", [*DOCUMENTED["api_page"], *DOCUMENTED["common"], *sorted(SDK_CONSTANTS)])
def test_a_code_without_a_line_would_be_noticed(code: str) -> None:
    assert unjudged({*TABLE, *OTHER_ACTIONS} - {code}) == {code}


def test_the_sources_are_as_large_as_they_should_be() -> None:
    assert len(DOCUMENTED["api_page"]) == 44
    assert len(DOCUMENTED["common"]) == 38
    assert len(SDK_CONSTANTS) >= 100


def test_the_codes_of_the_api_page_stand_in_its_order() -> None:
    first, *_others = GROUPS.values()
    assert list(first) == list(DOCUMENTED["api_page"])


def test_codes_of_other_actions_are_constants_of_the_sdk_without_a_line() -> None:
    assert OTHER_ACTIONS <= SDK_CONSTANTS
    assert not OTHER_ACTIONS & TABLE.keys()


def test_a_code_stands_in_one_group() -> None:
    assert sum(map(len, GROUPS.values())) == len(TABLE)


def test_codes_that_no_api_answers_are_named_for_who_noticed() -> None:
    api = {*DOCUMENTED["api_page"], *DOCUMENTED["common"], *SDK_CONSTANTS}
    own = {"ClientError", "ClientParamsError", "ClientSideError", "InvalidCredential", "AuthFailure"}
    rest = TABLE.keys() - api - own
    assert {code.partition(".")[0] for code in rest} == {"Transport", "Ledger"}


@pytest.mark.parametrize("code", [*TABLE, "unlisted"])
class TestEveryRule:
    def test_only_what_is_certainly_not_sent_may_ever_be_sent_again_without_finding_out(
        self, code: str
    ) -> None:
        rule = rule_for(code)
        assert (rule.action is Action.RECONCILE) == (not rule.certainly_not_sent)

    def test_whatever_goes_on_later_has_a_delay(self, code: str) -> None:
        rule = rule_for(code)
        if rule.action in {Action.RETRY, Action.DEFER, Action.HALT, Action.RECONCILE}:
            assert rule.delay is not None
            assert rule.delay > 0
        if rule.action is Action.REJECT:
            assert rule.delay is None

    def test_the_scope_fits_the_action(self, code: str) -> None:
        rule = rule_for(code)
        fitting = {
            Action.RETRY: {Scope.REQUEST, Scope.ACCOUNT},
            Action.DEFER: {Scope.REQUEST, Scope.RECIPIENT, Scope.RECIPIENT_DOMAIN, Scope.ACCOUNT},
            Action.REJECT: {Scope.REQUEST},
            Action.SUPPRESS: {Scope.RECIPIENT},
            Action.HALT: {Scope.ACCOUNT, Scope.SENDER, Scope.TEMPLATE},
            Action.RECONCILE: {Scope.REQUEST},
        }
        assert rule.scope in fitting[rule.action]

    def test_calls_at_once_are_granted_only_where_nothing_was_sent(self, code: str) -> None:
        rule = rule_for(code)
        assert rule.retries >= 0
        assert rule.certainly_not_sent or rule.retries == 0

    def test_why_and_what_to_do_are_said_in_a_line(self, code: str) -> None:
        rule = rule_for(code)
        for words in (rule.why, rule.hint):
            assert words == words.strip()
            assert words
            assert not words.endswith(".")
            assert not set(words) & set("\r\n|")


@pytest.mark.parametrize(
    ("code", "action", "scope", "delay"),
    [
        ("FailedOperation.EmailAddrInBlacklist", Action.SUPPRESS, Scope.RECIPIENT, 14 * 86_400),
        ("FailedOperation.ReceiverHasUnsubscribed", Action.SUPPRESS, Scope.RECIPIENT, None),
        ("FailedOperation.FrequencyLimit", Action.DEFER, Scope.RECIPIENT, 3600),
        ("FailedOperation.TemporaryBlocked", Action.DEFER, Scope.RECIPIENT_DOMAIN, 600),
        ("FailedOperation.WrongContentJson", Action.REJECT, Scope.REQUEST, None),
        ("FailedOperation.TooManyRecipients", Action.REJECT, Scope.REQUEST, None),
        ("FailedOperation.InsufficientBalance", Action.HALT, Scope.ACCOUNT, 900),
        ("FailedOperation.ExceedSendLimit", Action.HALT, Scope.ACCOUNT, 3600),
        ("FailedOperation.NotAuthenticatedSender", Action.HALT, Scope.SENDER, 900),
        ("AuthFailure.SignatureFailure", Action.HALT, Scope.ACCOUNT, 900),
        ("RequestLimitExceeded", Action.RETRY, Scope.ACCOUNT, 1),
        ("Transport.ConnectionRefused", Action.RETRY, Scope.REQUEST, 1),
        ("Transport.NameResolution", Action.RETRY, Scope.REQUEST, 1),
        ("Transport.ReadTimeout", Action.RECONCILE, Scope.REQUEST, 60),
        ("Transport.ConnectionLost", Action.RECONCILE, Scope.REQUEST, 60),
        ("Transport.NoMessageId", Action.RECONCILE, Scope.REQUEST, 60),
        ("InternalError", Action.RECONCILE, Scope.REQUEST, 30),
    ],
)
def test_the_rules_that_the_design_names(code: str, action: Action, scope: Scope, delay: int | None) -> None:
    assert rule_for(code)[:3] == (action, scope, delay)


@given(codes)
def test_a_listed_code_has_its_own_rule(code: str) -> None:
    assert rule_for(code) is TABLE[code]
    assert is_listed(code)


@given(codes, st.lists(names, min_size=1, max_size=3))
def test_an_unlisted_code_follows_its_longest_known_prefix(prefix: str, rest: list[str]) -> None:
    code = ".".join([prefix, *rest])
    known = max((listed for listed in TABLE if (code + ".").startswith(listed + ".")), key=len)
    assert rule_for(code) is TABLE[known]
    assert is_listed(code) == (known == code)


@given(st.text() | names)
def test_a_code_of_no_known_family_is_reconciled(code: str) -> None:
    if any((code + ".").startswith(listed + ".") for listed in TABLE):
        return
    assert rule_for(code) is UNLISTED
    assert UNLISTED.action is Action.RECONCILE
    assert not is_listed(code)


def test_a_word_that_only_begins_like_a_code_is_no_prefix() -> None:
    assert rule_for("LimitExceededToday") is UNLISTED
    assert rule_for("RequestLimitExceeded2.Uin") is UNLISTED


def test_the_columns_of_the_table_are_the_enumerations() -> None:
    assert list(Action) == [
        actions.RETRY,
        actions.DEFER,
        actions.REJECT,
        actions.SUPPRESS,
        actions.HALT,
        actions.RECONCILE,
    ]
    assert list(Scope) == [
        actions.REQUEST,
        actions.RECIPIENT,
        actions.RECIPIENT_DOMAIN,
        actions.SENDER,
        actions.TEMPLATE,
        actions.ACCOUNT,
    ]
    assert all(isinstance(rule, Rule) for rule in TABLE.values())


IDENTITY_CODES = [code for code, rule in TABLE.items() if rule.scope is Scope.SENDER]


def test_what_a_request_can_bring_about_is_named_for_halts_of_senders_and_templates() -> None:
    for rule in TABLE.values():
        assert set(rule.unless) <= FAULTS.keys()
        assert not rule.unless or rule.action is Action.HALT
    assert len(IDENTITY_CODES) == 8
    assert {TABLE[code].unless[:2] for code in IDENTITY_CODES} == {("header_from", "originator header")}


@pytest.mark.parametrize("code", IDENTITY_CODES)
@pytest.mark.parametrize(
    "fields",
    [
        {"header_from": "Ceo <ceo@mail.shop.example>"},
        {"headers": {"X-Shop": "1", "SENDER": "ceo@other.example"}},
        {"headers": {"Return-Path": "<ceo@other.example>"}},
    ],
)
def test_a_request_with_an_identity_of_its_own_is_rejected_alone(code: str, fields: dict[str, Any]) -> None:
    rule = rule_for_request(code, email(template=None, simple={"text": "x"}, **fields))
    assert rule[:3] == (Action.REJECT, Scope.REQUEST, None)
    assert rule[3:] == rule_for(code)[3:]


@pytest.mark.parametrize("code", IDENTITY_CODES)
@pytest.mark.parametrize(
    "fields", [{}, {"header_from": "Other name <NOREPLY@mail.shop.example>"}, {"headers": {"X-Shop": "1"}}]
)
def test_a_request_with_nothing_of_its_own_halts_the_sender(code: str, fields: dict[str, Any]) -> None:
    simple = email(template=None, simple={"text": "x"}, **fields)
    assert rule_for_request(code, simple) is rule_for(code)
    assert (rule_for_request(code, email(**fields)) is rule_for(code)) == (code != "OperationDenied")


@pytest.mark.parametrize(
    ("fields", "rejected"),
    [
        ({"template": {"id": 1}}, False),
        (
            {"template": {"id": 1, "data": {"sum": "12.50", "n": 1, "list": [{"a": "Dr. Who, 9 a.m."}]}}},
            False,
        ),
        ({"template": {"id": 1, "data": {"list": [{"a": "see shop.example"}]}}}, True),
        ({"template": {"id": 1, "data": {"link": "HTTPS://10.0.0.1/"}}}, True),
        ({"subject": "news of shop.example"}, True),
    ],
)
def test_a_link_that_the_request_brings_does_not_halt_its_template(
    fields: dict[str, Any], rejected: object
) -> None:
    rule = rule_for_request("FailedOperation.URLForbidden", email(**fields))
    assert (rule.action is Action.REJECT) == rejected


def test_no_request_softens_what_concerns_the_account() -> None:
    own = email(
        header_from="ceo@mail.shop.example", headers={"Sender": "x@other.example"}, subject="a.example"
    )
    for code, rule in TABLE.items():
        if rule.scope is Scope.ACCOUNT:
            assert rule_for_request(code, own) is rule
