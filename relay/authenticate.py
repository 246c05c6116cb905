"""Message authentication on the mail path: check what comes, decide, and seal or sign what goes out."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address

from core.routing import Reply
from mailauth import arc, dkim, results
from mailauth.author import authors
from mailauth.check import Client, Verdict, check
from mailauth.message import Message as Parsed
from mailauth.policy import Action, Trust, decide
from mailauth.resolver import Resolver
from mailauth.upstream import last_hop
from relay import replies
from relay.accept import Accepted
from relay.counters import Counters
from relay.deliver import Target
from relay.keyring import Keyring
from relay.message import Message
from relay.outcome import About, Kind, Result

_NOT_AUTHENTIC = Result(Kind.REFUSED, "5.7.1", About.MESSAGE)
_UNDECIDED = Result(Kind.DEFERRED, "4.7.0")


class Mode(StrEnum):
    """What is done about mail that its author's domain asks to refuse."""

    ENFORCE = "enforce"
    MARK = "mark"
    """It is passed on with the results in its header."""
    OFF = "off"
    """Nothing is checked and nothing sealed: something in front of the relay does it."""


class NotForwarded(Exception):
    """No recipient gets the message; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True)
class Authentication:
    """What a process needs to authenticate.

    hostname: ours, which is also the id of our Authentication-Results. upstreams: networks of our
    own hosts that pass mail on to us. signers: where private keys work, which takes a millisecond or
    two and lets other threads run.
    """

    mode: Mode
    hostname: str
    resolver: Resolver
    trust: Trust
    upstreams: Sequence[IPv4Network | IPv6Network]
    keyring: Keyring
    counters: Counters
    signers: Executor

    async def forward(
        self, message: Message, accepted: Iterable[Accepted], targets: list[Target], peer: tuple[str, str]
    ) -> list[Target]:
        """Check a message that is passed on, and write the fields on top of each target's copies.

        accepted: of the targets, in their order. peer: address and HELO name of the client. Takes
        fields that claim our id out of the message. Raises NotForwarded.
        """
        if self.mode is Mode.OFF:
            message.remove_results({self.hostname})
            return targets
        address, helo = last_hop(message.read, ip_address(peer[0]), peer[1], self.upstreams)
        verdict = await check(
            message.read,
            Client(address, helo, message.sender_path),
            self.resolver,
            now=time.time(),
            draw=random.uniform(0, 100),  # noqa: S311  # DMARC's pct=
            receiver=self.hostname,
        )
        if self.mode is Mode.ENFORCE:
            targets = self._decided(message.read, verdict, accepted, targets)
        message.remove_results({self.hostname})
        found = verdict.results(self.hostname)
        domains = {target.domain for target in targets if target.refused is None}
        seals = await asyncio.gather(
            *(self._seal(message.read, verdict.arc, found, domain) for domain in domains)
        )
        heads = {domain: seal + found.field() for domain, seal in zip(domains, seals, strict=True)}
        return [replace(target, head=heads.get(target.domain, b"")) for target in targets]

    def _decided(
        self, message: Parsed, verdict: Verdict, accepted: Iterable[Accepted], targets: list[Target]
    ) -> list[Target]:
        """Refuse or defer for those recipients for whom that is right."""
        action = decide(message, verdict, self.trust).action
        if action in (Action.PASS, Action.MARK):
            return targets
        is_refused = action is Action.REJECT
        decided = [
            target
            if each.is_never_refused or target.refused is not None
            else replace(target, refused=_NOT_AUTHENTIC if is_refused else _UNDECIDED)
            for each, target in zip(accepted, targets, strict=True)
        ]
        for target in decided:
            if target.refused is _NOT_AUTHENTIC:
                self.counters.note_refused_here(target.alias_id, target.recipients)
        if all(target.refused in (_NOT_AUTHENTIC, _UNDECIDED) for target in decided):
            raise NotForwarded(replies.NOT_AUTHENTIC if is_refused else replies.UNDECIDED)
        return decided

    async def _seal(self, message: Parsed, chain: arc.Chain, found: results.Results, domain: str) -> bytes:
        key = self.keyring.of(domain)
        if key is None or chain.next is None:
            return b""
        sealed = await asyncio.get_running_loop().run_in_executor(
            self.signers, arc.seal, message, chain, found, key, int(time.time())
        )
        return sealed or b""

    async def own(self, message: Message) -> bytes:
        """Sign mail of our own for the domain of its From; empty when there is no key for it."""
        domains = authors(message.read).domains
        key = self.keyring.of_author(domains[0]) if domains else None
        if key is None:
            return b""
        return await asyncio.get_running_loop().run_in_executor(
            self.signers, dkim.sign, message.read, key, int(time.time())
        )
