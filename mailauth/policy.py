"""What a forwarder does with a verdict: pass on, pass on with a mark, refuse, or ask to try later."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from mailauth import arc, dkim, dmarc, spf
from mailauth.author import authors
from mailauth.check import Verdict
from mailauth.message import Message
from mailauth.names import ascii_name, is_within

_LIST_ID = re.compile(rb"<([^<>]{1,255})>\s*\Z")


class Action(Enum):
    """What happens to the message, with the reply's enhanced code (RFC 7372 for those of policy)."""

    PASS = "pass"  # noqa: S105 - not a password
    MARK = "mark"
    """Passed on; the results in the header say what was found."""
    DEFER = "451 4.7.0"
    REJECT = "550 5.7.1"


class Reason(Enum):
    """Why."""

    NOTHING = "nothing asks for anything else"
    POLICY = "the author's domain asks to refuse what it did not authenticate"
    QUARANTINE = "the author's domain asks for caution"
    TEMPORARY = "DNS did not answer, and its answer would decide"
    EXEMPT = "a recipient that is never refused"
    SEALER = "a trusted sealer saw it pass"
    LIST = "a trusted mailing list sent it"
    OVERRIDE = "the operator's own rule for the domain"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the operator trusts; all names in lower case.

    sealers: domains whose ARC seals vouch. lists: domains of mailing lists. overrides: for author
    domains and what is below them, the strictest policy that is followed.
    """

    sealers: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    overrides: dict[str, dmarc.Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """An action and its reason."""

    action: Action
    reason: Reason


def decide(message: Message, verdict: Verdict, trust: Trust, *, exempt: bool = False) -> Decision:
    """Decide about a message for one recipient.

    exempt: the recipient is `postmaster` or `abuse`, which are never refused (RFC 5321 section
    4.5.1, RFC 2142).
    """
    asked = verdict.dmarc
    if asked.action is dmarc.Policy.NONE and not asked.undecided:
        return Decision(Action.PASS, Reason.NOTHING)
    if asked.action is dmarc.Policy.QUARANTINE and not asked.undecided:
        return Decision(Action.MARK, Reason.QUARANTINE)
    if exempt:
        return Decision(Action.MARK, Reason.EXEMPT)
    if _override(asked.domain, trust) not in (None, dmarc.Policy.REJECT):
        return Decision(Action.MARK, Reason.OVERRIDE)
    if authors(message).certain:
        if vouching_sealer(message, verdict.arc, trust.sealers | trust.lists):
            return Decision(Action.MARK, Reason.SEALER)
        if sending_list(message, verdict, trust.lists):
            return Decision(Action.MARK, Reason.LIST)
    if asked.action is not dmarc.Policy.REJECT or _trust_undecided(verdict, trust):
        return Decision(Action.DEFER, Reason.TEMPORARY)
    return Decision(Action.REJECT, Reason.POLICY)


def _override(domain: str | None, trust: Trust) -> dmarc.Policy | None:
    """Return the operator's rule for a domain; the longest name that fits counts."""
    while domain:
        if domain in trust.overrides:
            return trust.overrides[domain]
        domain = domain.partition(".")[2]
    return None


def _trust_undecided(verdict: Verdict, trust: Trust) -> bool:
    """Whether something that could have vouched was not to be had now."""
    chain = verdict.arc
    sealer = chain.sets[-1].domain if chain.sets and chain.status is arc.Status.TEMPERROR else None
    if _among(sealer, trust.sealers | trust.lists):
        return True
    late = [result.domain for result in verdict.dkim if result.status is dkim.Status.TEMPERROR]
    if verdict.spf.status is spf.Status.TEMPERROR:
        late.append(verdict.spf.domain)
    return any(_among(domain, trust.lists) for domain in late)


def _among(domain: str | None, trusted: Collection[str]) -> bool:
    return domain is not None and any(is_within(domain, name) for name in trusted)


def vouching_sealer(message: Message, chain: arc.Chain, trusted: Collection[str]) -> str | None:
    """Return the trusted sealer who saw this author's domain authenticated (RFC 8617 section 7.2).

    From the newest set back, as long as each sealer is trusted: behind one that is not, anything may
    have been changed. What they say counts for the domain that is in From now.
    """
    who = authors(message)
    if chain.status is not arc.Status.PASS or not who.certain or len(who.domains) != 1:
        return None
    for found in reversed(chain.sets):
        if not _among(found.domain, trusted):
            return None
        if found.results is not None and _saw_pass(found, who.domains[0]):
            return found.domain
    return None


def _saw_pass(found: arc.ArcSet, author: str) -> bool:
    """Whether a set's results say DMARC or an aligned DKIM signature passed for an author's domain."""
    assert found.results is not None
    for method in found.results.methods:
        if method.result != "pass":
            continue
        if method.method == "dmarc":
            named = method.get("header.from") or ""
            if ascii_name(named.rpartition("@")[2]) == author:
                return True
        elif method.method == "dkim":
            named = method.get("header.d") or (method.get("header.i") or "").rpartition("@")[2]
            if dmarc.aligned(ascii_name(named), author):
                return True
    return False


def sending_list(message: Message, verdict: Verdict, trusted: Collection[str]) -> str | None:
    """Return the trusted list's domain that proved to have sent the message.

    It has one List-Id (RFC 2919), and SPF passed for the envelope sender's domain or a DKIM signature
    for its own is valid, where that domain is trusted as a list.
    """
    where = message.where(b"list-id")
    if len(where) != 1 or not _LIST_ID.search(message.values[where[0]][-1024:]):
        return None
    proven = [result.domain for result in verdict.dkim if result.status is dkim.Status.PASS]
    if verdict.spf.status is spf.Status.PASS:
        proven.append(verdict.spf.domain)
    return next((domain for domain in proven if _among(domain, trusted)), None)
