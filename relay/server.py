# ruff: noqa: N802  # aiosmtpd finds commands by such names
"""The SMTP commands of one client (RFC 5321): who may send what to whom, then DATA, then the answer."""

import asyncio
from dataclasses import dataclass, field

from core.addresses import Address
from core.routing import Reply
from relay.accept import Accepted, Acceptor, Refused, Senders, refuse_loops
from relay.counters import Counters
from relay.data import DataReader
from relay.deliver import Delivery, Target, Transaction
from relay.dialogue import FAULT, STOPPING, Dialogue
from relay.directory import DirectoryUnavailable
from relay.limits import KIB, Limits
from relay.message import Message
from relay.path import PathError, parse_mail, parse_rcpt
from relay.policy import NO_MEMORY, Policy
from relay.pool import Steps
from relay.returns import Returns
from relay.tls import ServerTls
from relay.trace import MOST_RECEIVED

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
HELO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Say MAIL first")
NESTED_MAIL = Reply(503, "5.5.1", "One MAIL at a time")
RCPT_FIRST = Reply(503, "5.5.1", "No valid recipients")
TOO_BIG = Reply(552, "5.3.4", "The message is too big")
BARE_NEWLINE = Reply(550, "5.6.11", "The message has a bare CR or LF")
TOO_MANY_HOPS = Reply(554, "5.4.6", "The message has passed too many servers")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the others in another transaction")
ASK_ALONE = Reply(452, "4.5.3", "Send to this recipient in a transaction of its own")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "An internationalized address needs SMTPUTF8")
UNSURE = Reply(451, "4.3.0", "The address cannot be looked up now, try again later")
SYNTAX = Reply(501, "5.5.4", "Syntax error")

_PIECE = 256 * KIB
"""Memory for a message whose size is not declared is taken in pieces of this at most."""


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
    tls: ServerTls | None = None
    dialogues: "set[Session]" = field(default_factory=set)
    is_stopping: bool = False
    is_quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last dialogue ends while stopping."""

    @property
    def counters(self) -> Counters:
        """Where failures are counted."""
        return self.delivery.counters


class Session(Dialogue):
    """One client on port 25."""

    steps: Steps = None

    def __init__(self, service: Service) -> None:
        super().__init__(service.hostname, service.limits)
        self.service = service
        self.transaction: Transaction | None = None
        self._unproven: list[Transaction] = []
        self._reserved = 0
        self._is_out_of_memory = False
        self._reset()

    def _reset(self) -> None:
        self._is_in_mail = False
        self._is_utf8 = False
        self._sender: Address | None = None
        self._outward = ""
        self._declared = 0
        self._accepted: list[Accepted] = []
        self._is_alone = False

    def _set_rset_state(self) -> None:
        """Forget the transaction, as RSET does."""
        self._reset()

    # The connection

    def greet(self) -> Reply:
        """Count the connection; greet or refuse."""
        self.service.dialogues.add(self)
        refusal = self.service.policy.connect(self.address)
        if self.service.is_stopping:
            return STOPPING
        return refusal or Reply(220, self.hostname, "ESMTP")

    def on_input(self) -> None:
        """The client goes on, so it has our last answer."""
        if self._unproven:
            self._settle(is_clean=True)

    def on_data(self) -> None:
        """Take memory for what came; drop the message when there is none, and a client that will not stop."""
        reader = self.reader
        assert reader is not None
        is_short = reader.size > self._reserved and not reader.is_too_big
        if is_short and not self._reserve(reader.size + min(reader.size, _PIECE)):
            reader.drop()
            self._is_out_of_memory = True
        if reader.size > 2 * self.limits.message_size + _PIECE:
            self.is_at_end = True
            self.hang_up(TOO_BIG)

    def on_end(self) -> None:
        """Tell the transaction: the sender's server may try again at any moment, anywhere."""
        if self.transaction is not None:
            self.transaction.interrupt()

    def on_gone(self) -> None:
        """Count the end of the connection."""
        self.on_end()
        if self in self.service.dialogues:
            self.service.dialogues.discard(self)
            self.service.policy.disconnect(self.address)
            if self.service.is_stopping and not self.service.dialogues:
                self.service.is_quiet.set()
        self._settle(is_clean=False)

    def _settle(self, *, is_clean: bool) -> None:
        for transaction in self._unproven:
            transaction.settle(is_clean)
        self._unproven.clear()

    def stop(self) -> None:
        """End the dialogue: at once, or after the message that is on its way."""
        if self.transaction is None and self.reader is None:
            self.hang_up(STOPPING)
            self.flush()
            self.close()

    def offers_tls(self) -> bool:
        """Whether STARTTLS makes sense now."""
        return self.service.tls is not None and self.session.ssl is None

    # Commands

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """EHLO: greet, and say what is offered."""
        if not hostname:
            self.say(SYNTAX)
            return
        self._reset()
        self.session.host_name = hostname
        self.session.extended_smtp = True
        offers = [
            self.hostname,
            "PIPELINING",
            f"SIZE {self.limits.message_size}",
            *(["STARTTLS"] if self.offers_tls() else []),
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "SMTPUTF8",
        ]
        last = offers.pop()
        self.say("".join(f"250-{offer}\r\n" for offer in offers) + f"250 {last}")

    async def smtp_HELO(self, hostname: str | None) -> None:
        """HELO: greet."""
        if not hostname:
            self.say(SYNTAX)
            return
        self._reset()
        self.session.host_name = hostname
        self.session.extended_smtp = False
        self.say(f"250 {self.hostname}")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """STARTTLS: everything said before is forgotten (RFC 3207 §4.2)."""
        if arg:
            self.say(SYNTAX)
        elif self.service.tls is None or not self.offers_tls():
            self.say(Reply(503, "5.5.1", "TLS is not available"))
        else:
            self.say(Reply(220, "2.0.0", "Ready to start TLS"))
            await self.start_tls(self.service.tls.context())
            self._reset()

    async def smtp_MAIL(self, arg: str | None) -> None:
        """MAIL: begin a transaction."""
        if not self.session.host_name:
            self.say(HELO_FIRST)
        elif self._is_in_mail:
            self.say(NESTED_MAIL)
        elif self.service.is_stopping:
            self.say(STOPPING)
        else:
            self.say(self._mail(arg or ""))

    def _mail(self, arg: str) -> Reply:
        try:
            command = parse_mail(arg)
        except PathError as error:
            return error.reply
        if command.size > self.limits.message_size:
            return TOO_BIG
        if command.sender is not None and command.sender.needs_smtputf8 and not command.smtputf8:
            return NEEDS_SMTPUTF8
        self._sender, self._declared, self._is_utf8 = command.sender, command.size, command.smtputf8
        self._outward = self.service.senders.forwarded(command.sender)
        self._is_in_mail = True
        return SENDER_OK

    async def smtp_RCPT(self, arg: str | None) -> None:
        """RCPT: route the recipient."""
        if not self._is_in_mail:
            self.say(MAIL_FIRST)
            return
        try:
            self.say(await self._rcpt(arg or ""))
        except PathError as error:
            self.say(error.reply)
        except DirectoryUnavailable:
            self.say(UNSURE)
        except Refused as error:
            limit = self.service.policy.unknown_recipient(self.address) if error.is_guess else None
            self.say(limit or error.reply)

    async def _rcpt(self, arg: str) -> Reply:
        address = parse_rcpt(arg, self.hostname)
        if address.needs_smtputf8 and not self._is_utf8:
            return NEEDS_SMTPUTF8
        if self._is_alone or len(self._accepted) >= self.limits.recipients:
            return TOO_MANY_RECIPIENTS
        accepted = await self.accept(address)
        target = accepted.target
        marks, sender = self.service.delivery.marks, self._sender.text if self._sender is not None else ""
        is_to_be_alone = accepted.is_report or accepted.is_own or bool(accepted.bounced)
        if marks.must_ask_alone(sender, target.name):
            is_to_be_alone = True
            marks.asked_alone(sender, target.name)
        if is_to_be_alone and self._accepted:
            return ASK_ALONE
        if not accepted.is_role:
            limit = self.service.policy.pair(self.address, sender, target.name)
            if limit is not None:
                return limit
        self._is_alone = is_to_be_alone
        self._accepted.append(accepted)
        return RECIPIENT_OK

    async def accept(self, address: Address) -> Accepted:
        """Take a recipient, or raise Refused or DirectoryUnavailable."""
        return await self.service.acceptor.accept(address, self._sender, self._outward)

    async def smtp_DATA(self, arg: str | None) -> None:
        """DATA: read the message, deliver it, and only then answer."""
        if arg:
            self.say(SYNTAX)
        elif not self._accepted:
            self.say(RCPT_FIRST)
        elif not self._reserve(self._declared):
            self.say(NO_MEMORY)
        else:
            try:
                await self._data()
            finally:
                self._release()
                self._reset()

    async def _data(self) -> None:
        self._is_out_of_memory = False
        self.say("354 End data with <CR><LF>.<CR><LF>")
        self.flush()
        reader = DataReader(self.limits.message_size)
        if not await self.content(reader):
            return
        self.commands_since_mail = 0
        refusal = self._refusal(reader)
        if refusal is not None:
            self.say(refusal)
            return
        reserved, self._reserved = self._reserved, 0
        message = Message(
            self._sender,
            reader.body,
            self._is_utf8,
            lambda: self.service.policy.release(reserved),
            reader.has_dot_lines,
        )
        del reader
        message.remove_results(self.hostname)
        if message.received_count > MOST_RECEIVED:
            message.free()
            self.say(TOO_MANY_HOPS)
            return
        try:
            await self._deliver(message)
        except DirectoryUnavailable:
            message.free()
            self.say(UNSURE)
        except BaseException:
            message.free()
            raise

    def _refusal(self, reader: DataReader) -> Reply | None:
        if self._is_out_of_memory:
            return NO_MEMORY
        if reader.is_too_big:
            return TOO_BIG
        return BARE_NEWLINE if reader.has_bare_newline else None

    async def _deliver(self, message: Message) -> None:
        if self._accepted[0].is_report or self._accepted[0].bounced:
            returned = await self.service.returns.read(message, self._accepted[0])
            if returned is None:
                self.answer(OK)
                return
            message = returned
        targets = refuse_loops(self._targets(), message, self.service.delivery.tracer)
        received = self.service.delivery.tracer.received(
            self.session.host_name or "", self.address, self.protocol()
        )
        transaction = Transaction(self.service.delivery, message, targets, received, self.steps)
        self.transaction = transaction
        if self.is_at_end:
            transaction.interrupt()
        reply = FAULT
        try:
            reply = (await transaction.run()).reply
        finally:
            self.transaction = None
            if reply.code != 250 or self.transport is None or self.is_at_end:
                transaction.settle(is_clean=False)
            else:
                self._unproven.append(transaction)  # commands already here prove nothing
        self.answer(reply)
        if self.service.is_stopping:
            self.say(STOPPING)
        self.flush()

    def _targets(self) -> list[Target]:
        return [accepted.target for accepted in self._accepted]

    def answer(self, reply: Reply) -> None:
        """Say what became of the message."""
        self.say(reply)

    def protocol(self) -> str:
        """Return the word for our Received field (RFC 3848, RFC 6531 §3.7.3)."""
        if not self.session.extended_smtp:
            return "SMTP"
        return ("UTF8SMTP" if self._is_utf8 else "ESMTP") + ("S" if self.session.ssl is not None else "")

    async def smtp_QUIT(self, arg: str | None) -> None:
        """QUIT: close."""
        self.say(Reply(221, "2.0.0", "Bye"))
        self.is_closing = True

    async def smtp_NOOP(self, arg: str | None) -> None:
        """NOOP: nothing."""
        self.say(OK)

    async def smtp_RSET(self, arg: str | None) -> None:
        """RSET: forget the transaction."""
        self._reset()
        self.say(OK)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """VRFY: says nothing of who exists (RFC 5321 §7.3)."""
        self.say(Reply(252, "2.5.0", "Cannot verify, send the message and see"))

    # Memory

    def _reserve(self, octets: int) -> bool:
        """Take memory for a message of so many octets, with what goes with it."""
        wanted = octets + octets // 4 + 32 * KIB - self._reserved
        if wanted > 0:
            if not self.service.policy.reserve(wanted):
                return False
            self._reserved += wanted
        return True

    def _release(self) -> None:
        self.service.policy.release(self._reserved)
        self._reserved = 0

    def cut(self) -> None:
        """End the dialogue now: its time is up."""
        self.hang_up(STOPPING)
        self.close()
