"""All of a message's authentication in one pass: SPF and DKIM at once, then DMARC and ARC at once."""

import asyncio
from dataclasses import dataclass

from mailauth import arc, dkim, dmarc, spf
from mailauth.message import Message
from mailauth.resolver import Limited, Resolver
from mailauth.results import Method, Results

SECONDS = 20.0
"""For all DNS of one message; RFC 7208 section 4.6.4 asks for that much at least."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who hands a message over: its address, what it called itself, and its envelope sender."""

    address: spf.Address
    helo: str
    sender: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a message, a result a method."""

    spf: spf.Result
    dkim: tuple[dkim.Result, ...]
    dmarc: dmarc.Result
    arc: arc.Chain

    def results(self, authserv_id: str) -> Results:
        """Return all of it for Authentication-Results, under our own id."""
        methods = [_spf(self.spf), *map(_dkim, self.dkim), _dmarc(self.dmarc)]
        if self.arc.status is not arc.Status.TEMPERROR:
            # RFC 8617 section 10.1 has no word for a state that is not known now.
            methods.append(_arc(self.arc))
        return Results(authserv_id, tuple(methods))


async def check(
    message: Message,
    client: Client,
    resolver: Resolver,
    *,
    now: float,
    draw: float = 0.0,
    receiver: str = "unknown",
    seconds: float = SECONDS,
) -> Verdict:
    """Authenticate a message; never raises for what it contains or what DNS answers.

    client: the last hop that is not ours. now: seconds since 1970. draw: see dmarc.check. receiver:
    our host name. seconds: for all DNS questions together; what is not answered by then is temporary.
    """
    limited = Limited(resolver, seconds)
    spf_result, dkim_results, chain = await asyncio.gather(
        spf.check(client.address, client.helo, client.sender, limited, receiver=receiver, now=now),
        dkim.verify(message, limited, now),
        arc.validate(message, limited, now),
    )
    dmarc_result = await dmarc.check(message, spf_result, dkim_results, limited, draw=draw)
    return Verdict(spf_result, dkim_results, dmarc_result, chain)


def _spf(result: spf.Result) -> Method:
    """RFC 8601 section 2.7.2."""
    name = "smtp.mailfrom" if result.identity is spf.Identity.MAIL_FROM else "smtp.helo"
    value = result.sender if result.identity is spf.Identity.MAIL_FROM else result.sender.rpartition("@")[2]
    return Method(
        "spf", result.status.value, result.problem.value if result.problem else "", "", ((name, value),)
    )


def _dkim(result: dkim.Result) -> Method:
    """RFC 8601 section 2.7.1, RFC 6008 for the tail, RFC 8463 with the algorithm."""
    comment = result.problem.value if result.problem else f"{result.bits}-bit key" if result.bits else ""
    properties = (
        ("header.d", result.domain),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
        ("header.b", result.tail),
    )
    return Method(
        "dkim", result.status.value, comment, "", tuple((name, value) for name, value in properties if value)
    )


def _dmarc(result: dmarc.Result) -> Method:
    """RFC 7489 section 11.1, RFC 8601 section 2.7.4 of its registry."""
    comment = f"p={result.policy.value}" if result.policy else result.problem.value if result.problem else ""
    return Method(
        "dmarc", result.status.value, comment, "", (("header.from", result.domain),) if result.domain else ()
    )


def _arc(chain: arc.Chain) -> Method:
    """RFC 8617 section 10.1."""
    comment = f"i={chain.sets[-1].instance}" if chain.sets else chain.problem.value if chain.problem else ""
    return Method("arc", chain.status.value, comment)
