"""A valid request of SendEmail."""

from __future__ import annotations

from typing import Any

EMAIL: dict[str, Any] = {
    "FromEmailAddress": "Shop <noreply@mail.shop.example>",
    "Subject": "Hello",
    "Destination": ["user@example.com"],
    "Template": {"TemplateID": 100091, "TemplateData": '{"code": "1234"}'},
}
