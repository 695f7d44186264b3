from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from guides import section
from local.ses_emulator import __main__ as command
from local.ses_emulator.admin import PREFIX, ROUTES
from local.ses_emulator.faults import TRANSPORT_FAULTS
from local.ses_emulator.parameters import ACTIONS, NOT_OFFERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.ses_emulator import Emulator
    from ses_emulator.conftest import Sdk

GUIDE = (Path(__file__).parents[2] / "local/ses_emulator/README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:9588"


def blocks(language: str, part: str) -> list[str]:
    """Return the code blocks in a language that have a part in them."""
    return [block for block in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL) if part in block]


def test_guide_lists_every_option_and_no_other() -> None:
    options = {option for action in command.parser()._actions for option in action.option_strings}
    table = GUIDE.partition("## Start it")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `--")]
    assert set(re.findall(r"--[a-z][a-z-]*", "".join(rows))) == options - {"-h", "--help"}


def test_guide_states_the_defaults() -> None:
    for option, default in re.findall(r"^\| `(--[a-z-]+)[^|]*` \| ([\d.]+) \|", GUIDE, re.MULTILINE):
        assert float(command.parser().get_default(option[2:].replace("-", "_"))) == float(default), option


def test_guide_states_for_every_fault_whether_the_email_is_accepted() -> None:
    documented = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (yes|no) \|", GUIDE, re.MULTILINE))
    assert documented == {name: "yes" if fault.accepts else "no" for name, fault in TRANSPORT_FAULTS.items()}


def test_guide_names_every_action() -> None:
    table, _, rest = section(GUIDE, "Actions").partition("The other actions")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == set(ACTIONS)
    refused, _, _ = rest.partition("Any other name")
    assert set(re.findall(r"`(\w+)`", refused)) == NOT_OFFERED | {"UnsupportedOperation"}


def test_guide_names_every_route() -> None:
    rows = [line for line in GUIDE.splitlines() if line.startswith("| `")]
    for method, name in ROUTES:
        assert any(f"`{method}" in row and f"{PREFIX}{name}" in row for row in rows), (method, name)


def test_example_of_sending_runs(ses: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("python", "SesClient")
    names: dict[str, Any] = {}
    exec(example.replace(ADDRESS, ses.address), names)  # noqa: S102 -- the guide's own example
    names["client"].request.conn._session.close()
    assert capsys.readouterr().out.strip() == ses.inbox()[0].ses_message_id


def test_example_of_the_object_runs() -> None:
    (example,) = blocks("python", "with Emulator")
    exec(example.replace("from ses_emulator", "from local.ses_emulator"), {})  # noqa: S102 -- the guide's own example


def test_example_of_asserting_runs(ses: Emulator, connect: Callable[..., Sdk]) -> None:
    (example,) = blocks("python", "emulator(")
    sdk = connect(ses)

    def send() -> None:
        with pytest.raises(TencentCloudSDKException, match="TemporaryBlocked"):
            sdk.send(Subject="Your code")
        sdk.send(Subject="Your code")

    before, placeholder, after = example.replace(ADDRESS, ses.address).partition("...")
    assert placeholder
    exec(f"{before}send(){after}", {"send": send})  # noqa: S102 -- the guide's own example
    assert len(ses.inbox()) == 1


def test_lines_of_the_shell_run(ses: Emulator, sdk: Sdk) -> None:
    sdk.send()
    lines = [line for block in blocks("sh", "curl") for line in block.splitlines()]
    assert {line.split()[0] for line in lines} == {"curl"}
    assert len(lines) == 8
    for line in lines:
        done = subprocess.run(
            ["/bin/sh", "-c", line.replace(ADDRESS, ses.address)], capture_output=True, check=True
        )
        assert json.loads(done.stdout), line
    assert ses.inbox() == [], "the account is as at its start"
