"""Send an email and a batch, and read what became of the email, with the client of openapi-python-client."""

from __future__ import annotations

import os

from mailer_client import AuthenticatedClient
from mailer_client.api.emails import get_email, send_batch, send_email
from mailer_client.models import (
    Batch,
    BatchResults,
    Email,
    EmailRequest,
    Problem,
    ProblemCode,
    Receipt,
    Template,
    TemplateData,
)

SENDER = "Shop <noreply@mail.shop.example>"


def request(to: str, code: str) -> EmailRequest:
    """Return a request for an email with a code."""
    data = TemplateData.from_dict({"code": code})
    return EmailRequest(from_=SENDER, to=to, subject="Your code", template=Template(id=100091, data=data))


def main() -> None:
    """Print a line for each answer."""
    client = AuthenticatedClient(base_url=os.environ["MAILER_URL"], token=os.environ["MAILER_KEY"])

    sent = send_email.sync(
        client=client, idempotency_key="python-1", body=request("ann@customer.example", "12")
    )
    if not isinstance(sent, Receipt):
        raise SystemExit(f"not sent: {sent}")
    print("sent:", sent.state)

    other = send_email.sync(
        client=client, idempotency_key="python-1", body=request("bob@customer.example", "34")
    )
    if isinstance(other, Problem) and other.code == ProblemCode.IDEMPOTENCYKEYREUSED:
        print("refused:", other.code, other.status)

    batch = Batch(emails=[request("bob@customer.example", "34"), request("nobody", "56")])
    answer = send_batch.sync(client=client, idempotency_key="python-2", body=batch)
    if isinstance(answer, BatchResults):
        for result in answer.results:
            print("batch:", result.status, result.error.code if result.error else result.state)

    email = get_email.sync(sent.id, client=client)
    if isinstance(email, Email):
        print("read:", *[entry.state for entry in email.history])


if __name__ == "__main__":
    main()
