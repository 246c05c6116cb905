"""The pure decisions: what another server's answer means, and what the sender hears."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.routing import Reply
from relay.client import (
    ClientError,
    Lost,
    MissingExtension,
    Rejected,
    Stage,
    TlsFailed,
    ToOurselves,
    Withheld,
)
from relay.mx import DnsError, DnsPermanentError
from relay.pool import Unavailable

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s|$)")


class Kind(StrEnum):
    """How a try at one recipient ended."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    REFUSED = "refused"


class About(StrEnum):
    """What a failure is about."""

    MAILBOX = "mailbox"
    """The recipient's address or domain: its owner must act."""
    MESSAGE = "message"
    """This message or its sender."""
    US = "us"
    """This relay: its operators must act."""
    WAY = "way"
    """The way there: DNS, network, a busy server."""


@dataclass(frozen=True)
class Result:
    """How a try at one recipient ended: never with the other server's text."""

    kind: Kind
    enhanced: str = "2.0.0"
    about: About = About.WAY
    first_try: float | None = None
    """When the recipient took it in an earlier try, in seconds since 1970."""
    may_try_elsewhere: bool = False
    """Whether another host of the domain may do better."""


DELIVERED = Result(Kind.DELIVERED)


def result_of(error: Exception, our_names: Sequence[str]) -> Result:
    """Say what an error of one try means.

    our_names: host names and addresses by which the other side may call us.
    """
    if isinstance(error, Rejected):
        return _from_answer(error, our_names)
    if isinstance(error, MissingExtension):
        enhanced = "5.6.7" if error.extension == "SMTPUTF8" else "5.6.3"
        return Result(Kind.REFUSED, enhanced, About.MESSAGE, may_try_elsewhere=True)
    if isinstance(error, DnsPermanentError | ToOurselves):
        enhanced = error.enhanced if isinstance(error, DnsPermanentError) else "5.4.6"
        return Result(Kind.REFUSED, enhanced, About.MAILBOX)
    return Result(Kind.DEFERRED, _temporary_code(error), may_try_elsewhere=_is_before_dot(error))


def _temporary_code(error: Exception) -> str:
    if isinstance(error, DnsError):
        return "4.4.3"
    if isinstance(error, TlsFailed):
        return "4.7.5"
    if isinstance(error, Unavailable):
        return "4.4.5"
    if isinstance(error, Lost):
        return "4.4.1" if error.stage in (Stage.CONNECT, Stage.GREETING) else "4.4.2"
    if isinstance(error, Withheld):
        return "4.4.7"
    return "4.3.0"


def _is_before_dot(error: Exception) -> bool:
    return isinstance(error, Unavailable) or (
        isinstance(error, ClientError)
        and error.stage is not Stage.CONTENT
        and not isinstance(error, Withheld)
    )


def _from_answer(error: Rejected, our_names: Sequence[str]) -> Result:
    code, stage = error.answer.code, error.stage
    is_open = stage not in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.CONTENT)
    if 500 <= code < 600:
        if is_open or _names_us(error.answer.text, [*our_names, *error.our_addresses]):
            # About us, not about the message: the sender's server tries again (design, The relay, 9).
            return Result(Kind.DEFERRED, "4.7.0", About.US, may_try_elsewhere=stage is not Stage.CONTENT)
        enhanced = enhanced_code(error)
        return Result(Kind.REFUSED, enhanced, about(enhanced))
    return Result(Kind.DEFERRED, enhanced_code(error), may_try_elsewhere=stage is not Stage.CONTENT)


def enhanced_code(error: Rejected) -> str:
    """Return the answer's enhanced status code; where it has none that fits, the nearest one (RFC 3463)."""
    answer = error.answer
    kind = answer.code // 100
    for line in reversed(answer.lines):
        found = _ENHANCED.match(line)
        if found and int(found[1]) == kind:
            return f"{kind}.{int(found[2])}.{int(found[3])}"
    if kind not in (4, 5):
        return "4.5.0"  # an answer that is no answer to what was asked
    if error.stage is Stage.RCPT:
        return f"{kind}." + {450: "2.0", 550: "1.1", 551: "1.6", 552: "2.2", 452: "2.2", 553: "1.3"}.get(
            answer.code, "0.0"
        )
    return f"{kind}." + {452: "3.1", 552: "3.4", 421: "3.2"}.get(answer.code, "0.0")


def about(enhanced: str) -> About:
    """Say what a permanent refusal is about (RFC 3463 §3)."""
    if enhanced.startswith(("5.1.7", "5.1.8")) or not enhanced.startswith(("5.1.", "5.2.")):
        return About.MESSAGE  # 5.1.7 and 5.1.8 speak of the sender's address
    return About.MESSAGE if enhanced == "5.2.3" else About.MAILBOX  # 5.2.3: too long for that mailbox


def _names_us(text: str, our_names: Sequence[str]) -> bool:
    low = text.lower()
    return any(
        re.search(rf"(?<![a-z0-9.:-]){re.escape(name.lower())}(?![a-z0-9:-]|\.[a-z0-9])", low)
        for name in our_names
        if name
    )


@dataclass(frozen=True)
class AliasResult:
    """What became of one alias of a transaction."""

    kind: Kind
    enhanced: str
    left_out: tuple[int, ...] = ()
    """Places of recipients which did not get it though the alias counts as served: their owner is told."""


def alias_result(results: Sequence[Result], now: float, defer_until: float) -> AliasResult:
    """Decide for one alias that delivers to all its recipients.

    results: in the order of the recipients. now: seconds since 1970. defer_until: how many seconds
    after the first try a recipient that still defers no longer holds up the others.
    """
    taken = [result for result in results if result.kind is Kind.DELIVERED]
    deferred = [place for place, result in enumerate(results) if result.kind is Kind.DEFERRED]
    refused = [place for place, result in enumerate(results) if result.kind is Kind.REFUSED]
    if not taken:
        if deferred or not refused:
            enhanced = results[deferred[0]].enhanced if deferred else "4.3.0"
            return AliasResult(Kind.DEFERRED, enhanced)
        return AliasResult(Kind.REFUSED, results[refused[0]].enhanced)
    first_try = min((result.first_try for result in taken if result.first_try is not None), default=now)
    if deferred and now - first_try < defer_until:
        return AliasResult(Kind.DEFERRED, results[deferred[0]].enhanced)
    return AliasResult(Kind.DELIVERED, "2.0.0", tuple(sorted(deferred + refused)))


def first_result(results: Sequence[Result]) -> AliasResult:
    """Decide for one alias that delivers to the first recipient which takes it.

    results: those tried, in order; the last one ended the search.
    """
    last = results[-1] if results else Result(Kind.DEFERRED, "4.3.0")
    if last.kind is Kind.REFUSED:
        return AliasResult(Kind.REFUSED, results[0].enhanced)
    return AliasResult(last.kind, last.enhanced)


@dataclass(frozen=True)
class Verdict:
    """What the sender hears, and which aliases are to be asked alone next time (by their places)."""

    reply: Reply
    ask_alone: tuple[int, ...] = ()


ACCEPTED = Reply(250, "2.0.0", "Delivered")


def verdict(aliases: Sequence[AliasResult]) -> Verdict:
    """Decide over the aliases of a transaction."""
    deferred = [alias for alias in aliases if alias.kind is Kind.DEFERRED]
    refused = [place for place, alias in enumerate(aliases) if alias.kind is Kind.REFUSED]
    if deferred:
        return Verdict(temporary_reply(deferred[0].enhanced))
    if not refused:
        return Verdict(ACCEPTED)
    if len(refused) == len(aliases):
        return Verdict(permanent_reply(aliases[0].enhanced))
    return Verdict(
        Reply(451, "4.5.3", "Some recipients refused it: try again, and they will be asked alone"),
        tuple(refused),
    )


_SENTENCES = {
    "1": "the recipient's server does not know the address behind this one",
    "2": "the mailbox behind this address cannot take it",
    "3": "the recipient's mail system cannot take it",
    "4": "the recipient's mail server cannot be reached",
    "5": "the recipient's mail server did not understand",
    "6": "the recipient's mail server cannot take this kind of content",
    "7": "the recipient's mail server refuses it by its policy",
}
_WORDS = {
    "5.1.10": "The recipient's domain takes no mail",
    "5.3.4": "The message is too big for the recipient's mail system",
    "5.4.6": "The mail would run in a circle",
    "5.6.7": "The recipient's mail server cannot take internationalized addresses",
    "4.4.7": "An earlier try of this message is still under way",
    "4.4.3": "The recipient's domain could not be looked up",
    "4.7.0": "Delivery is held up at this server, its operators are told",
}


def _sentence(enhanced: str, ending: str) -> str:
    subject = enhanced.split(".")[1]
    words = _WORDS.get(enhanced)
    if words is None:
        words = _SENTENCES.get(subject, "the recipient's mail server refuses it")
        words = words[0].upper() + words[1:]
    return words + ending


def temporary_reply(enhanced: str) -> Reply:
    """Say "try again" in our own words."""
    return Reply(451, enhanced, _sentence(enhanced, ", try again later"))


def permanent_reply(enhanced: str) -> Reply:
    """Say "never" in our own words."""
    code = {"5.1.10": 556, "5.3.4": 552, "5.2.2": 552}.get(enhanced)
    if code is None:
        code = 550 if enhanced.split(".")[1] in ("1", "2", "7") or enhanced == "5.6.7" else 554
    return Reply(code, enhanced, _sentence(enhanced, ""))
