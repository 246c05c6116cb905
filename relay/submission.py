"""Our own mail, over a unix socket of mode 0600: LMTP, one recipient a transaction (design, The relay, 12).

The answer after DATA is the destination's, with the other server's own words a line a step. That
is for the page of the person who sends a test mail; it is stored nowhere.
"""

from core.addresses import Address
from core.routing import Fate, Reply
from relay.accept import Accepted, Refused
from relay.deliver import Target
from relay.server import Session
from relay.service import Service

_LONGEST_STEP = 400
_MOST_STEPS = 60


class OwnSession(Session):
    """A job or the portal: any recipient is taken."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.steps = []

    def greet(self) -> Reply:
        """Greet: whoever can open the socket may use it."""
        self.service.dialogues.add(self)
        self.service.policy.connect(self.address)
        return Reply(220, self.hostname, "LMTP")

    def offers_tls(self) -> bool:
        """Never: it does not leave the machine."""
        return False

    def protocol(self) -> str:
        """Return the word for our Received field (RFC 3848)."""
        return "LMTP"

    async def smtp_LHLO(  # noqa: N802
        self, hostname: str | None
    ) -> None:
        """LHLO, the EHLO of LMTP (RFC 2033 §4.1)."""
        await self.smtp_EHLO(hostname)

    async def accept(self, address: Address) -> Accepted:
        """Take one recipient: any address outside, or an alias of ours, whose route is followed."""
        self.steps = []
        senders, acceptor = self.service.senders, self.service.acceptor
        sender = senders.own(address)
        if not await acceptor.directory.serves(address.domain):
            return Accepted(Target(address.text, (address.text,), sender), is_role=True, is_own=True)
        route = await acceptor.directory.route(address)
        if route.fate is not Fate.DELIVER:
            raise Refused(route.reply)
        return Accepted(await acceptor.target(route, sender), is_role=True, is_own=True)

    def answer(self, reply: Reply) -> None:
        """Answer with the steps: each line begins with the code, the last one says what it comes to."""
        steps = (self.steps or [])[-_MOST_STEPS:]
        lines = [f"{reply.code}-{reply.enhanced} {_printable(step)}\r\n" for step in steps]
        self.steps = []
        self.say("".join(lines) + str(reply))


def _printable(step: str) -> str:
    return "".join(char if char.isprintable() else " " for char in step)[:_LONGEST_STEP]
