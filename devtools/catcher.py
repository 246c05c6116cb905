"""A mail catcher: an SMTP server which keeps what it gets in memory and shows it on a web page."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from devtools.catcher_pages import CatcherPages
from devtools.caught import CaughtMessage
from devtools.certificates import self_signed_context
from devtools.loopthread import LoopThread
from devtools.webserver import Answer, Request, WebServer, control

KEPT_MESSAGES = 1000
SIZE_LIMIT = 52_428_800
EXTENSIONS = frozenset({"SIZE", "8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING"})

# The extension which allows a parameter of MAIL (RFC 1870, 6152, 6531).
_PARAMETERS = {"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8"}


class Stage(StrEnum):
    """Where in a conversation a rule applies."""

    CONNECT = "connect"
    EHLO = "ehlo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"  # after the final dot


@dataclass(frozen=True)
class Rule:
    """How to behave at one stage.

    `address` narrows it to one sender (MAIL; `<>` is the null sender) or recipient (RCPT; at DATA and
    DOT, one of them). First comes the `delay` in seconds, then the connection is dropped or the `reply`
    given; with neither, all goes its ordinary way. `keep`, at DOT, keeps the message although the client
    is not told so. `times` is how often it applies.
    """

    stage: Stage
    reply: str | None = None
    address: str = ""
    delay: float = 0.0
    drop: bool = False
    keep: bool = False
    times: int | None = None

    def concerns(self, stage: Stage, addresses: list[str]) -> bool:
        """Whether it applies here."""
        wanted = self.address.lower()
        return self.stage is stage and (not wanted or wanted in [one.lower() for one in addresses])


class MailCatcher:
    """Takes mail for any recipient, unless its rules say otherwise.

    Args:
        port: the SMTP port; 0 takes a free one.
        web_port: the web page's port; 0 takes a free one.
        hostname: its name in the greeting and the certificate.

    Attributes:
        extensions: what it offers of SIZE, 8BITMIME, SMTPUTF8, STARTTLS and PIPELINING; parameters of
            those it does not offer are refused.
        connections: how many came.
    """

    def __init__(self, *, port: int = 0, web_port: int = 0, hostname: str = "catcher.example.net") -> None:
        self.extensions = EXTENSIONS
        self.connections = 0
        self.hostname = hostname
        self._wanted_port = port
        self._tls = self_signed_context(hostname)
        self._changed = threading.Condition()
        self._messages: deque[CaughtMessage] = deque(maxlen=KEPT_MESSAGES)
        self._last_number = 0
        self._rules: list[Rule] = []
        self._web = WebServer(self._serve_web, port=web_port)
        self._pages = CatcherPages(lambda: self.messages)
        self._thread: LoopThread | None = None
        self._server: asyncio.Server | None = None

    # -- for tests and the demo ------------------------------------------------------------------

    def start(self) -> None:
        """Listens for SMTP and for the web page on 127.0.0.1."""
        self._web.start()
        self._thread = LoopThread()
        self._server = self._thread.run(self._listen(self._thread.loop))

    def stop(self) -> None:
        """Stops both and forgets all."""
        self._web.stop()
        if self._thread is None or self._server is None:
            return
        self._thread.loop.call_soon_threadsafe(self._server.close)
        self._thread.stop()
        self._thread = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the SMTP server."""
        if self._server is None:
            raise RuntimeError("the catcher is not started")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """The web page."""
        return self._web.url

    @property
    def messages(self) -> list[CaughtMessage]:
        """What was kept, oldest first."""
        with self._changed:
            return list(self._messages)

    def sent_to(self, recipient: str) -> list[CaughtMessage]:
        """The messages with this envelope recipient, oldest first."""
        wanted = recipient.lower()
        return [one for one in self.messages if wanted in [to.lower() for to in one.recipients]]

    def wait_for(self, recipient: str, *, count: int = 1, timeout: float = 5.0) -> CaughtMessage:
        """The newest message to a recipient as soon as there are `count` of them.

        Raises:
            TimeoutError: there are not, after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(found := self.sent_to(recipient)) < count:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(found)} of {count} messages came for {recipient}")
        return found[-1]

    def behave(
        self,
        stage: Stage | str,
        reply: str | None = None,
        *,
        address: str = "",
        delay: float = 0.0,
        drop: bool = False,
        keep: bool = False,
        times: int | None = None,
    ) -> None:
        """Puts a `Rule` in force; of several that apply the oldest counts."""
        with self._changed:
            self._rules.append(Rule(Stage(stage), reply, address, delay, drop, keep, times))

    def behave_well(self) -> None:
        """Ends all rules and offers all extensions."""
        with self._changed:
            self._rules.clear()
            self.extensions = EXTENSIONS

    def forget(self) -> None:
        """Throws all messages away; their numbers are not used again."""
        with self._changed:
            self._messages.clear()

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"clear": true, "forget": true, "rule": {...}, "extensions": [...]}`; clear counts first."""
        if order.get("clear"):
            self.behave_well()
        if order.get("forget"):
            self.forget()
        if "rule" in order:
            self.behave(**order["rule"])
        if "extensions" in order:
            self.extensions = EXTENSIONS & frozenset(order["extensions"])
        return {"messages": len(self.messages), "rules": len(self._rules)}

    def _serve_web(self, request: Request) -> Answer:
        if request.path == "/_control":
            return control(request, self._control)
        return self._pages.answer(request)

    # -- the SMTP server -------------------------------------------------------------------------

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        def conversation() -> _Conversation:
            return _Conversation(self, self._tls, loop)

        return await loop.create_server(conversation, "127.0.0.1", self._wanted_port)

    def rule_for(self, stage: Stage, addresses: list[str]) -> Rule | None:
        """The rule that applies, which is counted as applied."""
        with self._changed:
            for index, rule in enumerate(self._rules):
                if rule.concerns(stage, addresses):
                    if rule.times is not None:
                        left = [replace(rule, times=rule.times - 1)] if rule.times > 1 else []
                        self._rules[index : index + 1] = left
                    return rule
        return None

    def keep(self, session: Session, envelope: Envelope) -> int:
        """Keeps a message; its number."""
        tls = session.ssl
        with self._changed:
            self._last_number += 1
            message = CaughtMessage(
                self._last_number,
                time.time(),
                (envelope.mail_from or "").replace("<>", ""),  # the library's null sender
                tuple(envelope.rcpt_tos),
                bytes(envelope.original_content or b""),
                session.host_name or "",
                tuple(envelope.mail_options),
                tls["ssl_object"].version() if tls else None,
            )
            self._messages.append(message)
            self._changed.notify_all()
            return message.number


class _Conversation(SMTP):
    """One connection. The library's hooks are methods of a handler: here, of the same object."""

    line_length_limit = 1024 * 1024  # no line of a message is too long, as with most servers

    def __init__(self, catcher: MailCatcher, tls: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._catcher = catcher
        super().__init__(
            self,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname=catcher.hostname,
            ident="ESMTP",
            tls_context=tls,
            loop=loop,
        )

    async def _ruled(self, stage: Stage, addresses: list[str]) -> Rule | None:
        """The rule for this stage, its delay over; ends the conversation if it is to be dropped."""
        rule = self._catcher.rule_for(stage, addresses)
        if rule is None:
            return None
        await asyncio.sleep(rule.delay)
        if rule.drop:
            if rule.keep and stage is Stage.DOT:
                self._catcher.keep(cast(Session, self.session), cast(Envelope, self.envelope))
            self._writer.transport.abort()
            raise asyncio.CancelledError
        return rule if rule.reply else None

    async def _handle_client(self) -> None:
        self._catcher.connections += 1
        rule = await self._ruled(Stage.CONNECT, [])
        if rule and rule.reply:
            await self.push(rule.reply)
            self._writer.close()
            return
        await super()._handle_client()

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offers the extensions that are to be offered."""
        session.host_name = hostname
        rule = await self._ruled(Stage.EHLO, [])
        if rule and rule.reply:
            return [rule.reply]
        words = [line[4:] for line in responses[1:]] + ["PIPELINING"]
        offered = [word for word in words if word.split()[0] in self._catcher.extensions]
        lines = [self._catcher.hostname, *offered]
        return [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes a sender."""
        rule = await self._ruled(Stage.MAIL, [address])
        if rule and rule.reply:
            return rule.reply
        for option in options:
            extension = _PARAMETERS.get(option.partition("=")[0].upper())
            if extension and extension not in self._catcher.extensions:
                return f"555 5.5.4 {option} is not offered here"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes a recipient."""
        rule = await self._ruled(Stage.RCPT, [address])
        if rule and rule.reply:
            return rule.reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Refuses before the 354, where a rule wants it; the library has no hook there."""
        if self.envelope and self.envelope.rcpt_tos:
            rule = await self._ruled(Stage.DATA, self.envelope.rcpt_tos)
            if rule and rule.reply:
                await self.push(rule.reply)
                return
        await super().smtp_DATA(arg)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keeps a whole message."""
        rule = await self._ruled(Stage.DOT, envelope.rcpt_tos)
        if rule and rule.reply and not rule.keep:
            return rule.reply
        number = self._catcher.keep(session, envelope)
        return rule.reply if rule and rule.reply else f"250 2.0.0 Ok: kept as {number}"
