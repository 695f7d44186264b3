"""A headless Chromium for tests of pages, and visits that tell what went wrong in them."""

from __future__ import annotations

import platform
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

_BINARIES = Path(__file__).parent / "chromium/node_modules/@sparticuz/chromium/bin"
_PATIENCE_MS = 120_000  # for a machine that does much else
_LOCAL = frozenset({"blob", "data"})
_BEYOND_THE_EDGE = """() => [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5 && !scrolls(element))
    .map((element) => `${element.tagName.toLowerCase()}.${element.className}`)"""
_SCROLLS = """const scrolls = (element) =>
    element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends: that of tests/chromium on Linux on x86-64, else Playwright's."""
    options: dict[str, Any] = {}
    if sys.platform == "linux" and platform.machine() == "x86_64":
        if not (_BINARIES / "chromium").exists():
            raise FileNotFoundError(
                f"{_BINARIES} has no chromium: run `make tests/chromium/node_modules/unpacked`"
            )
        options["executable_path"] = _BINARIES / "chromium"
        options["env"] = {"LD_LIBRARY_PATH": str(_BINARIES / "lib"), "FONTCONFIG_PATH": str(_BINARIES)}
    with sync_playwright() as playwright:
        # The sandbox needs rights that a container's root lacks; the pages are the project's own.
        browser = playwright.chromium.launch(chromium_sandbox=False, **options)
        yield browser
        browser.close()


class Visit:
    """A page in a browser profile of its own, and its faults.

    `faults` has what the console reports as an error or a warning, violations of the Content-Security-Policy
    among it, exceptions, and requests to other origins than `origin`.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self._origin = origin
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(text)

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _LOCAL and f"{parts.scheme}://{parts.netloc}" != self._origin:
            self.faults.append(f"a request to {url}")

    def look(self, *, width: int = 1280, dark: bool = False) -> None:
        """Give the page another width, in CSS pixels, or other colours."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme="dark" if dark else "light")

    def beyond_the_edge(self) -> list[str]:
        """Return the elements for which the page, at its present width, would have to scroll sideways."""
        return list(self.page.evaluate(f"() => {{ {_SCROLLS} return ({_BEYOND_THE_EDGE})(); }}"))

    def stored(self) -> str:
        """Return what the page has in the browser's storage, as JSON."""
        cookies = self.page.context.cookies()
        storage = self.page.evaluate("() => JSON.stringify([localStorage, sessionStorage])")
        return storage if not cookies else f"{storage} {cookies}"


@contextmanager
def visit(browser: Browser, origin: str, path: str, **options: Any) -> Iterator[Visit]:
    """Open a page of `origin` until the block ends; `options` are those of Playwright's `new_context`."""
    expect.set_options(timeout=_PATIENCE_MS)
    context = browser.new_context(**options)
    context.set_default_timeout(_PATIENCE_MS)
    opened = Visit(context.new_page(), origin)
    opened.page.goto(origin + path)
    yield opened
    context.close()
