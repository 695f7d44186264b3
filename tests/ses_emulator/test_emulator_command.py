from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from local.ses_emulator import SECRET_ID, SECRET_KEY, Template, errors
from local.ses_emulator.__main__ import main
from local.ses_emulator.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ses_emulator.conftest import Sdk

ROOT = Path(__file__).parents[2]


class Started:
    """The address of an emulator that runs in its own process, and the file of its CA over TLS."""

    def __init__(self, lines: dict[str, str]) -> None:
        self.url = lines["Tencent Cloud SES emulator"]
        self.address = self.url.partition("://")[2]
        self.ca_file = Path(lines.get("CA certificate", ""))


@contextmanager
def command(*arguments: str, end: int = signal.SIGTERM) -> Iterator[Started]:
    command = [sys.executable, "-m", "local.ses_emulator", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            lines: dict[str, str] = {}
            while "Tencent Cloud SES emulator" not in lines:
                name, separator, value = process.stdout.readline().strip().partition(": ")
                assert separator, name
                lines[name] = value
            yield Started(lines)
        finally:
            process.send_signal(end)
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_until_a_signal(connect: Callable[..., Sdk], end: int) -> None:
    with command(end=end) as ses:
        sdk = connect(ses, SECRET_ID, SECRET_KEY)
        assert sdk.send()["MessageId"]


def test_options_configure_the_account(connect: Callable[..., Sdk], tmp_path: Path) -> None:
    templates = tmp_path / "templates.json"
    templates.write_text(json.dumps({"id": 7, "name": "hi", "text": "Hi"}))
    options = (
        *("--credential", "AKIDone:key:with-token", "--secret-id", "AKIDtwo", "--secret-key", "key2"),
        *(
            "--template-only",
            "--verified-domain",
            "mail.shop.example",
            "--templates",
            str(templates),
            "--rate",
            "2",
        ),
    )
    with command(*options) as ses:
        one, two = connect(ses, "AKIDone", "key", token="with-token"), connect(ses, "AKIDtwo", "key2")
        assert one.send(Template={"TemplateID": 7, "TemplateData": "{}"})["MessageId"]
        with pytest.raises(TencentCloudSDKException, match="WithOutPermission"):
            two.send(Simple={"Text": "aGk="})
        with pytest.raises(TencentCloudSDKException, match="SecretIdNotFound"):
            connect(ses).send()


def test_command_over_tls_says_where_its_ca_is() -> None:
    with command("--tls") as ses:
        context = ssl.create_default_context(cafile=str(ses.ca_file))
        with urllib.request.urlopen(f"{ses.url}/_emulator/health", context=context, timeout=10) as response:  # noqa: S310 -- it is https
            assert json.load(response) == {"status": "ok"}
    assert not ses.ca_file.exists()


def test_secret_id_needs_its_key() -> None:
    with pytest.raises(SystemExit, match="--secret-key"):
        main(["--secret-id", "AKIDone"])


def test_templates_come_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "7-welcome.html").write_text("<p>Hi {{name}}</p>")
    (tmp_path / "7-welcome.txt").write_text("Hi {{name}}")
    (tmp_path / "8.txt").write_text("eight")
    (tmp_path / "more.json").write_text(json.dumps([{"id": 9, "name": "nine", "status": 2}]))
    templates = Templates(tmp_path)
    assert templates.get(7) == Template(7, "welcome", "<p>Hi {{name}}</p>", "Hi {{name}}")
    assert templates.get(8) == Template(8, "8", text="eight")
    assert templates.get(9) == Template(9, "nine", status=2)
    assert templates.get(100091) is not None


def test_template_file_without_an_id_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "welcome.html").write_text("<p>Hi</p>")
    with pytest.raises(ValueError, match=r"welcome\.html"):
        Templates(tmp_path)


def test_every_code_has_a_message_of_one_sentence() -> None:
    for messages in (errors.API_PAGE_CODES, errors.COMMON_CODES):
        assert all(message.endswith(".") for message in messages.values())
    assert (len(errors.API_PAGE_CODES), len(errors.COMMON_CODES)) == (44, 38)


def test_emulator_needs_the_standard_library_alone() -> None:
    program = (
        "import sys; before = set(sys.modules); import local.ses_emulator\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - set(sys.stdlib_module_names) - {'local'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
