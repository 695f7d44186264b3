"""The actions that the emulator offers beside SendEmail, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import queries, statistics
from .blocklist_actions import BlocklistActions
from .identity_actions import IdentityActions
from .receiver_actions import ReceiverActions
from .task_actions import TaskActions
from .template_actions import TemplateActions

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mailbox import Mailbox
    from .resources import Resources
    from .settings import Settings
    from .tasks import Tasks

    Handler = Callable[[dict[str, Any]], dict[str, Any]]


def handlers(settings: Settings, resources: Resources, mailbox: Mailbox, tasks: Tasks) -> dict[str, Handler]:
    """Return what executes each action: it takes checked parameters, and raises `ApiError`."""
    templates = TemplateActions(settings, resources.templates)
    identities = IdentityActions(settings, resources.identities)
    receivers = ReceiverActions(settings, resources.receivers)
    blocklists = BlocklistActions(resources.blocklists)
    batches = TaskActions(settings, resources, tasks)
    return {
        "GetSendEmailStatus": lambda params: queries.send_email_status(params, mailbox.records(), settings),
        "GetStatisticsReport": lambda params: statistics.report(params, mailbox.requests()),
        "CreateEmailTemplate": templates.create,
        "UpdateEmailTemplate": templates.update,
        "DeleteEmailTemplate": templates.delete,
        "GetEmailTemplate": templates.get,
        "ListEmailTemplates": templates.list,
        "CreateEmailIdentity": identities.create_domain,
        "UpdateEmailIdentity": identities.verify_domain,
        "GetEmailIdentity": identities.get_domain,
        "DeleteEmailIdentity": identities.delete_domain,
        "ListEmailIdentities": identities.list_domains,
        "CreateEmailAddress": identities.create_sender,
        "DeleteEmailAddress": identities.delete_sender,
        "ListEmailAddress": identities.list_senders,
        "CreateReceiver": receivers.create,
        "DeleteReceiver": receivers.delete,
        "ListReceivers": receivers.list,
        "CreateReceiverDetail": receivers.add,
        "CreateReceiverDetailWithData": receivers.add_with_data,
        "ListReceiverDetails": receivers.list_details,
        "BatchSendEmail": batches.create,
        "ListSendTasks": batches.list,
        "ListBlackEmailAddress": blocklists.list_bounced,
        "DeleteBlackList": blocklists.delete_bounced,
        "CreateCustomBlacklist": blocklists.create,
        "ListCustomBlacklist": blocklists.list,
        "UpdateCustomBlackList": blocklists.update,
        "DeleteCustomBlackList": blocklists.delete,
    }
