"""What all dialogues of a process share."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relay.accept import Acceptor, Senders
from relay.authenticate import Authentication
from relay.counters import Counters
from relay.deliver import Delivery
from relay.limits import Limits
from relay.policy import Policy
from relay.returns import Returns
from relay.tls import ServerTls

if TYPE_CHECKING:
    from relay.server import Session


@dataclass
class Service:
    """What all dialogues of a process share."""

    hostname: str
    limits: Limits
    policy: Policy
    acceptor: Acceptor
    senders: Senders
    delivery: Delivery
    returns: Returns
    authentication: Authentication
    tls: ServerTls | None = None
    dialogues: set["Session"] = field(default_factory=set)
    is_stopping: bool = False
    is_quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last dialogue ends while stopping."""

    @property
    def counters(self) -> Counters:
        """Where failures are counted."""
        return self.delivery.counters
