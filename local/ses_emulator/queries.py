"""The read-only actions: delivery status, templates, sender domains."""

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
    params: dict[str, Any], records: Sequence[StatusRecord], settings: Settings
) -> dict[str, Any]:
    """Return a page (at most 100) of the delivery records of one day (UTC+8), in the order of their requests.

    Raises WrongDate for a malformed day, NotSupportDate for one over 30 days ago or in the future,
    InvalidLimit for a page size outside 1 to 100.
    """
    now = settings.now()
    today = datetime.fromtimestamp(now, SES_TIME_ZONE).date()
    try:
        day = datetime.strptime(params["RequestDate"], "%Y-%m-%d").replace(tzinfo=SES_TIME_ZONE).date()
    except ValueError:
        day = None
    if day is None or day.isoformat() != params["RequestDate"]:
        raise ApiError("InvalidParameterValue.WrongDate", "RequestDate must have the form YYYY-MM-DD.")
    if not today - timedelta(days=STATUS_DAYS) <= day <= today:
        raise ApiError(
            "FailedOperation.NotSupportDate", f"RequestDate must be within the last {STATUS_DAYS} days."
        )
    _check_page(params)
    ses_message_id, recipient = params.get("MessageId", ""), params.get("ToEmailAddress", "").lower()
    rows = [
        record.as_json()
        for record in records
        if datetime.fromtimestamp(record.requested, SES_TIME_ZONE).date() == day
        and record.requested + settings.status_lag <= now
        and ses_message_id in ("", record.ses_message_id)
        and recipient in ("", record.to.lower())
    ]
    return {"EmailStatusList": _page(rows, params)}


def email_template(params: dict[str, Any], templates: Templates) -> dict[str, Any]:
    """Return a template's content in base64, its status and name; raises InvalidTemplateID."""
    template = templates.get(params["TemplateID"])
    if template is None:
        raise ApiError("FailedOperation.InvalidTemplateID")
    return {
        "TemplateContent": {"Html": _base64(template.html), "Text": _base64(template.text)},
        "TemplateStatus": template.status,
        "TemplateName": template.name,
    }


def email_templates(params: dict[str, Any], templates: Templates) -> dict[str, Any]:
    """Return a page of the account's templates, without their content."""
    _check_page(params)
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
    return {"TemplatesMetadata": _page(listed, params), "TotalCount": len(listed)}


def email_identities(params: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a page of the sender domains in the settings, verified or not, with their daily quotas."""
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
        "EmailIdentities": _page(listed, {"Offset": 0, "Limit": PAGE_MAX, **params}),
        "MaxReputationLevel": MAX_REPUTATION_LEVEL,
        "MaxDailyQuota": MAX_DAILY_QUOTA,
        "Total": len(listed),
    }


def _check_page(params: dict[str, Any]) -> None:
    if not 1 <= params["Limit"] <= PAGE_MAX:
        raise ApiError("FailedOperation.InvalidLimit", f"Limit must be 1 to {PAGE_MAX}.")


def _page(items: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
    return items[params["Offset"] : params["Offset"] + params["Limit"]]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
