# ruff: noqa: N802  # aiosmtpd finds commands by such names
"""The SMTP commands of one client (RFC 5321): who may send what to whom, then DATA, then the answer."""

from dataclasses import replace

from core.addresses import Address
from core.routing import Reply
from mailauth.message import MAX_HEADER
from relay import replies
from relay.accept import Accepted, Refused, refuse_loops
from relay.authenticate import NotForwarded
from relay.data import DataReader
from relay.deliver import Target, Transaction, TransactionSteps
from relay.dialogue import Dialogue
from relay.directory import DirectoryUnavailable
from relay.limits import KIB
from relay.message import Message
from relay.path import PathError, parse_mail, parse_rcpt
from relay.service import Service
from relay.trace import MOST_RECEIVED

NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "An internationalized address needs SMTPUTF8")

_FIELD = 160
"""Octets that a field's places in lists take."""
_PIECE = 256 * KIB
"""Memory for a message whose size is not declared is taken in pieces of this at most."""


class Session(Dialogue):
    """One client on port 25."""

    steps: TransactionSteps = None
    """Hears how our own mail goes."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.hostname, service.limits)
        self.service = service
        self.transaction: Transaction | None = None
        self._unproven: list[Transaction] = []
        self._reserved = 0
        self._is_out_of_memory = False
        self._is_in_data = False
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
            return replies.STOPPING
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
            self.hang_up(replies.TOO_BIG)

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
        if not self._is_in_data:
            self.hang_up(replies.STOPPING)
            self.flush()
            self.close()

    def offers_tls(self) -> bool:
        """Whether STARTTLS makes sense now."""
        return self.service.tls is not None and self.session.ssl is None

    # Commands

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """EHLO: greet, and say what is offered."""
        if not hostname:
            self.say(replies.SYNTAX)
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
            self.say(replies.SYNTAX)
            return
        self._reset()
        self.session.host_name = hostname
        self.session.extended_smtp = False
        self.say(f"250 {self.hostname}")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """STARTTLS: everything said before is forgotten (RFC 3207 §4.2)."""
        if arg:
            self.say(replies.SYNTAX)
        elif self.service.tls is None or not self.offers_tls():
            self.say(replies.NO_TLS)
        else:
            self.say(replies.START_TLS)
            await self.start_tls(self.service.tls.context())
            self._reset()

    async def smtp_MAIL(self, arg: str | None) -> None:
        """MAIL: begin a transaction."""
        if not self.session.host_name:
            self.say(replies.HELO_FIRST)
        elif self._is_in_mail:
            self.say(replies.NESTED_MAIL)
        elif self.service.is_stopping:
            self.say(replies.STOPPING)
        else:
            self.say(self._mail(arg or ""))

    def _mail(self, arg: str) -> Reply:
        try:
            command = parse_mail(arg)
        except PathError as error:
            return error.reply
        if command.size > self.limits.message_size:
            return replies.TOO_BIG
        if command.sender is not None and command.sender.needs_smtputf8 and not command.smtputf8:
            return NEEDS_SMTPUTF8
        self._sender, self._declared, self._is_utf8 = command.sender, command.size, command.smtputf8
        self._outward = self.service.senders.forwarded(command.sender)
        self._is_in_mail = True
        return replies.SENDER_OK

    async def smtp_RCPT(self, arg: str | None) -> None:
        """RCPT: route the recipient."""
        if not self._is_in_mail:
            self.say(replies.MAIL_FIRST)
            return
        try:
            self.say(await self._rcpt(arg or ""))
        except PathError as error:
            self.say(error.reply)
        except DirectoryUnavailable:
            self.say(replies.UNSURE)
        except Refused as error:
            limit = self.service.policy.unknown_recipient(self.address) if error.is_guess else None
            self.say(limit or error.reply)

    async def _rcpt(self, arg: str) -> Reply:
        address = parse_rcpt(arg, self.hostname)
        if address.needs_smtputf8 and not self._is_utf8:
            return NEEDS_SMTPUTF8
        if self._is_alone or len(self._accepted) >= self.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        accepted = await self.accept(address)
        target = accepted.target
        marks, sender = self.service.delivery.marks, self._sender.text if self._sender is not None else ""
        is_to_be_alone = accepted.is_report or accepted.is_own or bool(accepted.bounced)
        if marks.must_ask_alone(sender, target.name):
            is_to_be_alone = True
            marks.asked_alone(sender, target.name)
        if is_to_be_alone and self._accepted:
            return replies.ASK_ALONE
        if not accepted.is_role:
            limit = self.service.policy.pair(self.address, sender, target.name)
            if limit is not None:
                return limit
        self._is_alone = is_to_be_alone
        self._accepted.append(accepted)
        return replies.RECIPIENT_OK

    async def accept(self, address: Address) -> Accepted:
        """Take a recipient, or raise Refused or DirectoryUnavailable."""
        return await self.service.acceptor.accept(address, self._sender, self._outward)

    async def smtp_DATA(self, arg: str | None) -> None:
        """DATA: read the message, deliver it, and only then answer."""
        if arg:
            self.say(replies.SYNTAX)
        elif not self._accepted:
            self.say(replies.RCPT_FIRST)
        elif not self._reserve(self._declared):
            self.say(replies.NO_MEMORY)
        else:
            self._is_in_data = True
            try:
                await self._data()
            finally:
                self._is_in_data = False
                self._release()
                self._reset()

    async def _data(self) -> None:
        self._is_out_of_memory = False
        self.say("354 End data with <CR><LF>.<CR><LF>")
        self.flush()
        reader = DataReader(self.limits.message_size)
        if not await self.content(reader):
            return
        answer_by = self.loop.time() + self.limits.answer_within
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
        try:
            await self._deliver(message, answer_by)
        except DirectoryUnavailable:
            message.free()
            self.say(replies.UNSURE)
        except NotForwarded as error:
            message.free()
            self.say(error.reply)
        except BaseException:
            message.free()
            raise

    def _refusal(self, reader: DataReader) -> Reply | None:
        if self._is_out_of_memory:
            return replies.NO_MEMORY
        if reader.is_too_big:
            return replies.TOO_BIG
        if reader.has_bare_newline:
            return replies.BARE_NEWLINE_IN_MESSAGE
        # Fields are looked at one by one: many tiny ones take more memory than they have octets.
        end = reader.body.find(b"\r\n\r\n", 0, MAX_HEADER)
        fields = reader.body.count(b"\r\n", 0, end if end >= 0 else MAX_HEADER)
        return None if self._reserve(reader.size + _FIELD * fields) else replies.NO_MEMORY

    async def _deliver(self, message: Message, answer_by: float) -> None:
        is_own = self._accepted[0].is_own
        if self._accepted[0].is_report or self._accepted[0].bounced:
            returned = await self.service.returns.read(message, self._accepted[0])
            if returned is None:
                self.say(replies.OK)
                return
            is_own = returned is not message
            message = returned
        targets = await self._addressed(message, is_own=is_own)
        message.close()
        transaction = Transaction(self.service.delivery, message, targets, answer_by, self.steps)
        self.transaction = transaction
        if self.is_at_end:
            transaction.interrupt()
        reply = replies.FAULT
        try:
            reply = (await transaction.run()).reply
        finally:
            self.transaction = None
            if reply.code != 250 or self.transport is None or self.is_at_end:
                transaction.settle(is_clean=False)
            else:
                self._unproven.append(transaction)  # commands already here prove nothing
        self.say(reply)
        if self.service.is_stopping:
            self.say(replies.STOPPING)
        self.flush()

    async def _addressed(self, message: Message, *, is_own: bool) -> list[Target]:
        """Return the targets, each with the fields that stand on top of its copies.

        is_own: the message is ours, and not forwarded. Raises NotForwarded.
        """
        if message.read.defect is not None:
            raise NotForwarded(replies.HEADER_TOO_BIG)
        if message.received_count > MOST_RECEIVED:
            raise NotForwarded(replies.TOO_MANY_HOPS)
        tracer, authentication = self.service.delivery.tracer, self.service.authentication
        helo = self.session.host_name or ""
        targets = refuse_loops([each.target for each in self._accepted], message, tracer)
        if is_own:
            signature = await authentication.own(message)
            targets = [replace(target, head=signature) for target in targets]
        else:
            targets = await authentication.forward(message, self._accepted, targets, (self.address, helo))
        received = tracer.received(helo, self.address, self.protocol())
        return [replace(target, head=target.head + received) for target in targets]

    def protocol(self) -> str:
        """Return the word for our Received field (RFC 3848, RFC 6531 §3.7.3)."""
        if not self.session.extended_smtp:
            return "SMTP"
        return ("UTF8SMTP" if self._is_utf8 else "ESMTP") + ("S" if self.session.ssl is not None else "")

    async def smtp_QUIT(self, arg: str | None) -> None:
        """QUIT: close."""
        self.say(replies.BYE)
        self.is_closing = True

    async def smtp_NOOP(self, arg: str | None) -> None:
        """NOOP: nothing."""
        self.say(replies.OK)

    async def smtp_RSET(self, arg: str | None) -> None:
        """RSET: forget the transaction."""
        self._reset()
        self.say(replies.OK)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """VRFY: says nothing of who exists (RFC 5321 §7.3)."""
        self.say(replies.CANNOT_VERIFY)

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
        self.hang_up(replies.STOPPING)
        self.close()
