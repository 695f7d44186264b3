"""Rendering of digests: groups, escaping, the sandbox, the check of expressions."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from digest_runs import digest
from mailer import __main__ as command_line
from mailer.digest.render import RenderFailed, check_expressions, render
from mailer.errors import ConfigurationError


def test_items_are_grouped_by_the_value_of_an_expression() -> None:
    grouped = digest(
        subject="{{ groups | length }} projects\n for you",
        data={"list": "{% for g in groups %}{{ g.name }}: {{ g['items'] | length }}. {% endfor %}"},
        group_by="project.name",
    )
    items = [{"project": {"name": name}} for name in ("a", "b", "a")] + [{}]
    rendered = render(grouped, items, 4, "ann@customer.example")
    assert rendered.subject == "3 projects for you"
    assert rendered.data == {"list": "a: 2. b: 1. None: 1. "}
    broken = digest(group_by="length(@.n)")
    with pytest.raises(RenderFailed, match="group_by"):
        render(broken, [{"n": 1}], 1, "ann@customer.example")


def test_values_are_escaped_for_html_unless_told_otherwise() -> None:
    data = {"x": "<b>{{ items[0].title }}</b>"}
    items = [{"title": "<script>"}]
    assert render(digest(data=data), items, 1, "-").data == {"x": "<b>&lt;script&gt;</b>"}
    plain = digest(subject="{{ items[0].title }}", data=data, escape=False)
    assert render(plain, items, 1, "-").data == {"x": "<b><script></b>"}
    assert render(plain, items, 1, "-").subject == "<script>"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ items.append(1) }}",
        "{{ range(10000000) | length }}",
        "{{ items[0].missing }}",
        "{{ 1 / 0 }}",
        "{% for item in total %}{% endfor %}",
    ],
)
def test_expression_that_fails_or_leaves_the_sandbox_is_an_error(expression: str) -> None:
    with pytest.raises(RenderFailed, match="subject"):
        render(digest(subject=expression), [{}], 1, "-")


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("{{ total", "must be a Jinja2 expression"),
        ("{{ total | nonsense }}", "must be a Jinja2 expression"),
        ("{{ totals }}", "unknown name totals"),
        ("{{ 1 / 0 }}", "cannot be rendered"),
    ],
)
def test_check_finds_a_bad_expression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expression: str, rule: str
) -> None:
    with pytest.raises(ConfigurationError, match=rule) as caught:
        check_expressions(digest(data={"list": expression}))
    assert caught.value.setting == "mailer.toml [digests.daily] data.list"
    path = tmp_path / "mailer.toml"
    path.write_text(f"[digests.d]\nfrom='a@mail.example'\ntemplate_id=1\nsubject={json.dumps(expression)}")
    assert command_line.main(["digest", "check", "--config", str(path)]) == 1
    assert rule in capsys.readouterr().err


def test_check_passes_the_project_s_own_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parents[1] / "mailer.toml"
    monkeypatch.setattr(sys, "argv", ["mailer", "digest", "check", "--config", str(path)])
    monkeypatch.delitem(sys.modules, "mailer.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("mailer", run_name="__main__")
    assert ended.value.code == 0
    assert "daily" in capsys.readouterr().out
