"""The actions that only read: the delivery status of emails, templates, sender domains."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from .delivery import StatusRecord
from .errors import ApiError
from .limits import SES_TIME_ZONE
from .settings import Settings
from .templates import Templates

PAGE_MAX = 100
STATUS_DAYS = 30
MAX_REPUTATION_LEVEL = 20
MAX_DAILY_QUOTA = 1_000_000


def send_email_status(
    given: dict[str, Any], records: Sequence[StatusRecord], settings: Settings
) -> dict[str, Any]:
    """The records of one day (UTC+8) in the order of their requests, a page of at most 100.

    Raises WrongDate for a malformed day, NotSupportDate for one that is over 30 days back or in the future,
    InvalidLimit for a page size that is not 1 to 100.
    """
    now = settings.clock()
    today = datetime.fromtimestamp(now, SES_TIME_ZONE).date()
    try:
        day = datetime.strptime(given["RequestDate"], "%Y-%m-%d").replace(tzinfo=SES_TIME_ZONE).date()
    except ValueError:
        day = None
    if day is None or day.isoformat() != given["RequestDate"]:
        raise ApiError("InvalidParameterValue.WrongDate", "RequestDate is written YYYY-MM-DD.")
    if not today - timedelta(days=STATUS_DAYS) <= day <= today:
        raise ApiError(
            "FailedOperation.NotSupportDate", f"Only the last {STATUS_DAYS} days can be asked for."
        )
    _check_page(given)
    message_id, recipient = given.get("MessageId", ""), given.get("ToEmailAddress", "").lower()
    found = [
        record.as_json()
        for record in records
        if datetime.fromtimestamp(record.requested, SES_TIME_ZONE).date() == day
        and record.requested + settings.status_lag <= now
        and message_id in ("", record.message_id)
        and recipient in ("", record.to.lower())
    ]
    return {"EmailStatusList": _page(found, given)}


def email_template(given: dict[str, Any], templates: Templates) -> dict[str, Any]:
    """A template's content in base64, its status and name; raises InvalidTemplateID."""
    template = templates.get(given["TemplateID"])
    if template is None:
        raise ApiError("FailedOperation.InvalidTemplateID")
    return {
        "TemplateContent": {"Html": _base64(template.html), "Text": _base64(template.text)},
        "TemplateStatus": template.status,
        "TemplateName": template.name,
    }


def email_templates(given: dict[str, Any], templates: Templates) -> dict[str, Any]:
    """A page of the account's templates, without their content."""
    _check_page(given)
    listed = [
        {
            "CreatedTimestamp": 0,
            "TemplateName": template.name,
            "TemplateStatus": template.status,
            "TemplateID": template.id,
            "ReviewReason": template.review_reason,
        }
        for template in templates.all()
    ]
    return {"TemplatesMetadata": _page(listed, given), "TotalCount": len(listed)}


def email_identities(given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """A page of the sender domains that the settings name, verified or not, with the daily quota of each."""
    domains = sorted({*settings.verified_domains, *settings.unverified_domains})
    listed = [
        {
            "IdentityName": domain,
            "IdentityType": "DOMAIN",
            "SendingEnabled": settings.verifies(domain),
            "CurrentReputationLevel": 1,
            "DailyQuota": settings.daily_quota or MAX_DAILY_QUOTA,
            "SendIp": [],
            "TagList": [],
            "DKIMOption": 0,
        }
        for domain in domains
    ]
    return {
        "EmailIdentities": _page(listed, {"Offset": 0, "Limit": PAGE_MAX, **given}),
        "MaxReputationLevel": MAX_REPUTATION_LEVEL,
        "MaxDailyQuota": MAX_DAILY_QUOTA,
        "Total": len(listed),
    }


def _check_page(given: dict[str, Any]) -> None:
    if not 1 <= given["Limit"] <= PAGE_MAX:
        raise ApiError("FailedOperation.InvalidLimit", f"Limit is 1 to {PAGE_MAX}.")


def _page(items: list[dict[str, Any]], given: dict[str, Any]) -> list[dict[str, Any]]:
    return items[given["Offset"] : given["Offset"] + given["Limit"]]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
