"""What an account has beside its emails: templates, domains, senders, recipient lists, blocklists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blocklists import Blocklists
from .identities import Identities
from .receivers import Receivers
from .templates import Templates

if TYPE_CHECKING:
    from .settings import Settings


class Resources:
    """The resources of one account, as `settings` describe them at its start.

    Raises OSError where a template file is missing, ValueError for templates that cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.templates = Templates(settings.templates)
        self.identities = Identities(settings)
        self.receivers = Receivers()
        self.blocklists = Blocklists(settings)

    def reset(self) -> None:
        """Return to the account's start."""
        self.templates.reset()
        self.identities.reset()
        self.receivers.reset()
        self.blocklists.reset()
