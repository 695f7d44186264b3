"""GetSendEmailStatus: the delivery of the emails of one day."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from .days import day_of, parse_day
from .delivery import StatusRecord
from .errors import ApiError
from .paging import page_of
from .settings import Settings

STATUS_DAYS = 30


def send_email_status(
    params: dict[str, Any], records: Sequence[StatusRecord], settings: Settings
) -> dict[str, Any]:
    """Return a page (at most 100) of the delivery records of one day (UTC+8), in the order of their requests.

    Raises WrongDate for a malformed day, NotSupportDate for one over 30 days ago or in the future,
    InvalidLimit for a page size outside 1 to 100.
    """
    now = settings.now()
    today = day_of(now)
    day = parse_day(params["RequestDate"], "RequestDate")
    if not today - timedelta(days=STATUS_DAYS) <= day <= today:
        raise ApiError(
            "FailedOperation.NotSupportDate", f"RequestDate must be within the last {STATUS_DAYS} days."
        )
    ses_message_id, recipient = params.get("MessageId", ""), params.get("ToEmailAddress", "").lower()
    rows = [
        record.as_json()
        for record in records
        if day_of(record.requested) == day
        and record.requested + settings.status_lag <= now
        and ses_message_id in ("", record.ses_message_id)
        and recipient in ("", record.to.lower())
    ]
    return {"EmailStatusList": page_of(rows, params)}
