"""The page at `/docs` in a real browser, from the local HTTP function."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from docs.openapi.document import openapi
from headless_browser import chromium, visit
from local.gateway import gateway
from local.stack import API_KEY, local_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from headless_browser import Visit
    from local.stack import LocalStack

pytestmark = pytest.mark.once

NOTHING = "[{},{}]"
SEND = ("post", "/emails")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with local_stack(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture(scope="module")
def origin(stack: LocalStack) -> Iterator[str]:
    with gateway(stack.functions["aws", "http"].invoke, port=0) as url:
        yield url


@pytest.fixture(scope="module")
def opened(browser: Browser, origin: str) -> Iterator[Visit]:
    """The page as the root of the API leads to it, for all tests of this module."""
    with visit(browser, origin, "/") as first:
        expect(operation(first.page, *SEND)).to_be_visible()
        yield first


@pytest.fixture
def docs(opened: Visit) -> Iterator[Visit]:
    """The page, and at the end of a test no fault in it."""
    yield opened
    assert opened.faults == []


def operation(page: Page, method: str, path: str) -> Locator:
    name = openapi()["paths"][path][method]["operationId"]
    return page.locator(f'.opblock[id$="-{name}"]')


def show(one: Locator) -> None:
    """Open an operation, if it is not open."""
    if "is-open" not in (one.get_attribute("class") or ""):
        one.locator(".opblock-summary-control").click()
    expect(one.locator(".responses-wrapper")).to_be_visible()


def test_every_operation_is_shown(docs: Visit) -> None:
    assert docs.page.url.endswith("/docs")
    shown = docs.page.locator(".opblock").evaluate_all("blocks => blocks.map(block => block.id)")
    assert sorted(name.rpartition("-")[2] for name in shown) == sorted(
        each["operationId"] for methods in openapi()["paths"].values() for each in methods.values()
    )
    assert docs.stored() == NOTHING


def test_operation_opens_by_keyboard_with_its_fields_and_example(docs: Visit) -> None:
    send = operation(docs.page, *SEND)
    send.locator(".opblock-summary-control").focus()
    docs.page.keyboard.press("Enter")
    expect(send.locator(".body-param__example")).to_contain_text('"subject"')
    send.get_by_role("tab", name="Schema").first.click()
    send.get_by_role("button", name="Expand all").first.click()
    expect(send.get_by_text("send_at", exact=True).first).to_be_visible()
    send.get_by_role("tab", name="Edit Value").or_(
        send.get_by_role("tab", name="Example Value")
    ).first.click()


def test_request_is_sent_with_a_key_that_is_kept_nowhere(docs: Visit, stack: LocalStack) -> None:
    page = docs.page
    page.get_by_role("button", name="Authorize").click()
    key = page.locator(".auth-container").filter(has_text="apiKey").first
    assert key.locator("input").get_attribute("autocomplete") == "off"
    key.locator("input").fill(API_KEY)
    key.get_by_role("button", name="Apply credentials").click()
    page.locator(".modal-ux .close-modal").click()
    send = operation(page, *SEND)
    show(send)
    send.get_by_role("button", name="Try it out").click()
    send.get_by_role("button", name="Execute").click()
    expect(send.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    answer = send.locator(".live-responses-table .highlight-code").last.inner_text()
    assert json.loads(answer[answer.index("{") : answer.rindex("}") + 1])["state"] == "accepted"
    assert docs.stored() == NOTHING
    page.reload()
    expect(operation(page, *SEND)).to_be_visible()
    expect(page.locator(".auth-wrapper .authorize.unlocked")).to_be_visible()


def test_nothing_is_wider_than_a_phone(docs: Visit) -> None:
    """With schemas shown and fields to be filled in."""
    docs.look(width=390)
    for each in (SEND, ("get", "/emails/{email}"), ("post", "/webhooks/{source}")):
        one = operation(docs.page, *each)
        show(one)
        one.get_by_role("button", name="Try it out").click()
        one.get_by_role("tab", name="Schema").first.click()
    docs.page.get_by_role("button", name="Authorize").click()
    for width in (390, 320):
        docs.look(width=width)
        assert docs.beyond_the_edge() == []
        assert docs.page.evaluate("document.documentElement.scrollWidth") == width
    docs.page.locator(".modal-ux .close-modal").click()
    docs.look()


def test_colours_are_those_of_the_system(docs: Visit) -> None:
    def brightness() -> float:
        colour = docs.page.evaluate(
            "() => getComputedStyle(document.querySelector('.swagger-ui .info .title')).color"
        )
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3

    for dark in (True, False, True):
        docs.look(dark=dark)
        expect(docs.page.locator("html.dark-mode")).to_have_count(int(dark))
        assert (brightness() > 128) == dark
    docs.look()


def test_code_samples_are_shown_before_the_responses(docs: Visit) -> None:
    send = operation(docs.page, *SEND)
    show(send)
    samples = send.locator(".code-samples section")
    assert samples.locator("h5").all_inner_texts() == ["curl", "Python"]
    method, path = SEND
    for section, sample in zip(samples.all(), openapi()["paths"][path][method]["x-codeSamples"], strict=True):
        expect(section.locator("pre")).to_contain_text(sample["source"].strip())


def test_without_scripts_the_document_is_linked(browser: Browser, origin: str) -> None:
    with visit(browser, origin, "/docs/", java_script_enabled=False) as plain:
        plain.page.get_by_role("link", name="openapi.json").click()
        assert plain.page.url == f"{origin}/openapi.json"
        assert plain.faults == []
