"""Our own mail, over a unix socket of mode 0600: LMTP, one recipient a transaction (design, The relay, 12).

The answer after DATA is the destination's. Whoever says XSTEPS before hears each step on the way to it
as a preliminary reply (1yz, RFC 5321 §4.2.1): `150 2.0.0 RECIPIENT TAB STAGE TAB WORDS`, in the other
server's own words. That is for the page of the person who sends a test mail; it is stored nowhere.
"""

from core.addresses import Address
from core.routing import Fate, Reply
from relay import replies
from relay.accept import Accepted, Refused
from relay.deliver import Target
from relay.server import Session
from relay.service import Service

_LONGEST_STEP = 400  # characters
_MOST_STEPS = 200  # a message


class OwnSession(Session):
    """A job or the portal: any recipient is taken."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._said = 0

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

    async def smtp_XSTEPS(  # noqa: N802
        self, arg: str | None
    ) -> None:
        """XSTEPS, of our own: from now on each step is told as it is made."""
        self.steps = self._tell
        self.say(replies.SYNTAX if arg else replies.OK)

    def _tell(self, recipient: str, stage: str, words: str) -> None:
        self._said += 1
        if self._said <= _MOST_STEPS:
            self.say(f"150 2.0.0 {_printable(recipient)}\t{stage}\t{_printable(words)}")
            self.flush()

    async def accept(self, address: Address) -> Accepted:
        """Take one recipient: any address outside, or an alias of ours, whose route is followed."""
        self._said = 0
        senders, acceptor = self.service.senders, self.service.acceptor
        sender = senders.own(address)
        if not await acceptor.directory.serves(address.domain):
            return Accepted(Target(address.text, (address.text,), sender), is_role=True, is_own=True)
        route = await acceptor.directory.route(address)
        if route.fate is not Fate.DELIVER:
            raise Refused(route.reply)
        return Accepted(await acceptor.target(route, sender), is_role=True, is_own=True)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST_STEP]
