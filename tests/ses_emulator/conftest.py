from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.ses.v20201002.ses_client import SesClient

from local.ses_emulator import SECRET_ID, SECRET_KEY, Emulator

FROM = "Shop <noreply@mail.shop.example>"
TO = "user@example.com"


class Sdk:
    """The official SDK, pointed at an emulator."""

    def __init__(
        self, ses: Emulator, secret_id: str = SECRET_ID, secret_key: str = SECRET_KEY, **options: Any
    ) -> None:
        http = HttpProfile(protocol="http", endpoint=ses.address, reqTimeout=options.pop("timeout", 10))
        credential = Credential(secret_id, secret_key, options.pop("token", None))
        region = options.pop("region", "ap-singapore")
        self.client = SesClient(
            credential, region, ClientProfile(httpProfile=http, language="en-US", **options)
        )

    def call(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """The action's `Response`; raises TencentCloudSDKException for what the SDK takes for an error."""
        response: dict[str, Any] = self.client.call_json(action, parameters)["Response"]
        return response

    def send(self, **parameters: Any) -> dict[str, Any]:
        """SendEmail with a valid request, of which `parameters` replace fields (None: leave it out)."""
        return self.call("SendEmail", email(**parameters))

    def close(self) -> None:
        self.client.request.conn._session.close()


def email(**parameters: Any) -> dict[str, Any]:
    """A valid SendEmail body with some fields replaced, or left out where they are None."""
    content = (
        {}
        if "Simple" in parameters
        else {"Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'}}
    )
    fields = {"FromEmailAddress": FROM, "Subject": "Hello", "Destination": [TO], **content, **parameters}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ses() -> Iterator[Emulator]:
    with Emulator(rate=0, status_rate=0, recipient_hourly=0, slow_seconds=20) as emulator:
        yield emulator


@pytest.fixture
def connect() -> Iterator[Callable[..., Sdk]]:
    """Makes SDK clients, closed at the end of the test."""
    with ExitStack() as stack:

        def make(ses: Emulator, *credential: str, **options: Any) -> Sdk:
            sdk = Sdk(ses, *credential, **options)
            stack.callback(sdk.close)
            return sdk

        yield make


@pytest.fixture
def sdk(ses: Emulator, connect: Callable[..., Sdk]) -> Sdk:
    return connect(ses)
