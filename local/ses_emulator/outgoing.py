"""What happens to an email that a request or a batch sends: the checks of its recipients, then delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .delivery import REASONS, events_of
from .errors import ApiError

if TYPE_CHECKING:
    from .blocklists import Blocklists
    from .callbacks import Callbacks
    from .limits import EmailLimits
    from .mailbox import Mailbox
    from .mails import Mail
    from .send_email import Draft
    from .settings import Settings


class Outgoing:
    """The way of an email out of one account."""

    def __init__(
        self,
        settings: Settings,
        limits: EmailLimits,
        blocklists: Blocklists,
        mailbox: Mailbox,
        callbacks: Callbacks,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._blocklists = blocklists
        self._mailbox = mailbox
        self._callbacks = callbacks

    def accept(
        self, draft: Draft, parameters: dict[str, Any], size: int, request_id: str, task_id: str = ""
    ) -> Mail:
        """Store an email and deliver it; raises EmailAddrInBlacklist, ExceedSendLimit or FrequencyLimit.

        `parameters` are those of SendEmail, `size` their length in bytes, `task_id` is that of a batch.
        """
        if any(self._blocklists.blocks(recipient) for recipient in draft.recipients):
            raise ApiError("FailedOperation.EmailAddrInBlacklist")
        self._limits.admit(draft.sender_domain, draft.recipients, self._settings.now())
        mail = self._mailbox.accept(draft, parameters, size, request_id, task_id)
        for recipient in mail.recipients:
            if "bounce" in events_of(recipient):
                self._blocklists.add_bounced(recipient, REASONS["bounce"])
        self._callbacks.enqueue_for(mail)
        return mail
