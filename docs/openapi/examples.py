"""The requests and answers that the document has as examples."""

from __future__ import annotations

from .problems import EMAIL_ID, REQUEST_ID, example_of

EMAIL = {
    "from": "Shop <noreply@mail.shop.example>",
    "to": "ann@customer.example",
    "subject": "Your code",
    "template": {"id": 100091, "data": {"code": "1234"}},
}
NATIVE = {
    "FromEmailAddress": "Shop <noreply@mail.shop.example>",
    "Destination": ["ann@customer.example"],
    "Subject": "Your code",
    "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'},
}
ITEM = {
    "recipient": "ann@customer.example",
    "item_id": "c-17",
    "item": {"title": "A comment"},
    "time_zone": "Europe/Berlin",
}
RECEIPT = {
    "id": EMAIL_ID,
    "state": "accepted",
    "message_id": "qcloudses-30-1250000000-date-20260501090000-8U4EdxSTT9Bx",
    "request_id": REQUEST_ID,
    "replayed": False,
}
RESULTS = {
    "batch": {
        "results": [
            {"index": 0, "status": 200, **RECEIPT},
            {"index": 1, "status": 422, "error": example_of(422)},
        ]
    }
}
KEPT = {**RECEIPT, "state": "unknown", "message_id": None, "request_id": None}
RECORD = {
    **{name: value for name, value in RECEIPT.items() if name != "replayed"},
    "code": None,
    "attempts": 1,
    "created_at": "2026-05-01T09:00:00.000Z",
    "updated_at": "2026-05-01T09:00:00.120Z",
    "due_at": None,
    "history": [
        {"state": "sending", "at": "2026-05-01T09:00:00.000Z", "attempt": 1},
        {"state": "accepted", "at": "2026-05-01T09:00:00.120Z", "attempt": 1},
    ],
    "deliveries": [
        {
            "event": "delivered",
            "recipient": "3a9b1daa167b7c8b3020",
            "at": "2026-05-01T09:00:04.000Z",
        }
    ],
    "events": [],
}
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Mailer", "version": "1.0.0"}, "paths": {}}
