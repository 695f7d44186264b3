"""The emulated account: its API, its mailbox, its faults and its callbacks, without a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .api import Api
from .callbacks import Callback, Callbacks
from .faults import Faults
from .limits import EmailLimits
from .mailbox import Mailbox
from .outgoing import Outgoing
from .resources import Resources
from .tasks import Tasks

if TYPE_CHECKING:
    from .mails import Call, Mail
    from .settings import Settings
    from .templates import Template


class Account:
    """One account of Tencent Cloud SES, as `settings` describe it.

    Raises OSError where a template file is missing, ValueError for templates that cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mailbox = Mailbox(settings)
        self.faults = Faults()
        self.resources = Resources(settings)
        self.callbacks = Callbacks(settings, self.mailbox, self.resources.blocklists)
        self._limits = EmailLimits(settings.recipient_hourly, settings.daily_quota)
        outgoing = Outgoing(settings, self._limits, self.resources.blocklists, self.mailbox, self.callbacks)
        self.tasks = Tasks(settings, self.resources, self.mailbox, outgoing)
        self.api = Api(settings, self.resources, self.mailbox, self.faults, outgoing, self.tasks)

    def inbox(self, *, to: str = "", smtp_message_id: str = "", after: int = 0) -> list[Mail]:
        """Return the accepted emails, oldest first, that match every filter given.

        `to` is a recipient, `smtp_message_id` a Message-ID (brackets or not), `after` a sequence number.
        """
        return self.mailbox.mails(to=to, smtp_message_id=smtp_message_id, after=after)

    def calls(self) -> list[Call]:
        """Return the calls of SendEmail, oldest first, with their outcome."""
        return self.mailbox.calls()

    def acceptances(self, smtp_message_id: str) -> int:
        """Return how often an email with this Message-ID was accepted; more than once is a duplicate."""
        return self.mailbox.acceptances(smtp_message_id)

    def stats(self) -> dict[str, Any]:
        """Return all counts: emails, calls by outcome, acceptances by Message-ID, duplicates, the rate."""
        return {**self.mailbox.as_json(), "rate": self.api.send_rate.as_json()}

    def counts(self) -> dict[str, int]:
        """Return the totals of `stats()` alone."""
        return {**self.mailbox.counts(), "busiest_second": self.api.send_rate.busiest_second}

    def add_fault(self, fault: str, *, times: int | None = 1, message: str = "", **match: str) -> None:
        """Let the next `times` matching calls fail that way (None: all of them); see `Faults.add`."""
        self.faults.add(fault, times=times, message=message, **match)

    def add_template(self, template: Template) -> None:
        """Store a template, in place of one with the same id."""
        self.resources.templates.add(template)

    def sent_callbacks(self) -> list[Callback]:
        """Return every callback enqueued so far, once each of them has been sent."""
        self.callbacks.wait()
        return self.callbacks.log()

    def reset(self) -> None:
        """Forget emails, calls, counts, batches, faults and limits used up; resources and settings stay."""
        self.faults.reset()
        self.api.reset()
        self._limits.reset()
        self.tasks.reset()
        self.mailbox.reset()
        self.callbacks.reset()

    def reset_all(self) -> None:
        """Return to the account's start: templates, domains, senders, recipient lists and blocklists too."""
        self.reset()
        self.resources.reset()
