"""Domain-based Message Authentication, Reporting and Conformance: what the author asks for (RFC 7489)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from mailauth import dkim, spf
from mailauth.author import authors
from mailauth.message import Message
from mailauth.names import organisational
from mailauth.resolver import Outcome, Resolver

MAX_TAGS = 64


class Status(Enum):
    """Results (RFC 7489 section 11.2)."""

    NONE = "none"
    """The author's domain has no policy."""
    PASS = "pass"  # noqa: S105 - a word of the RFC
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Policy(Enum):
    """What a domain asks for mail that fails (section 6.3)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Problem(Enum):
    """Why the result is an error."""

    AUTHOR = "no author that can be read without doubt"
    SEVERAL_FROM = "several From fields"
    DNS = "no answer from DNS"
    HEADER_TOO_LARGE = "header section too large"


@dataclass(frozen=True, slots=True)
class Result:
    """What the author's domain asks of this message.

    domain: of the author, the strictest if there are several. policy: the published one for it,
    None if there is none or it is not known. action: what is asked for this message, after `pct`:
    NONE unless the result is a FAIL, or a PERMERROR over From: then nobody can say whose mail it is,
    and the strictest policy of all it may be counts.
    undecided: a temporary error alone stands between this message and refusing it.
    """

    status: Status
    domain: str | None = None
    policy: Policy | None = None
    action: Policy = Policy.NONE
    spf_aligned: bool = False
    dkim_aligned: bool = False
    undecided: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A policy record's tags that matter here (section 6.3)."""

    policy: Policy
    subdomains: Policy
    strict_spf: bool
    strict_dkim: bool
    percent: int


_STRICTNESS = (Policy.NONE, Policy.QUARANTINE, Policy.REJECT)
_POLICIES = {policy.value: policy for policy in Policy}


async def check(
    message: Message,
    spf_result: spf.Result,
    dkim_results: Sequence[dkim.Result],
    resolver: Resolver,
    *,
    draw: float = 0.0,
) -> Result:
    """Check the author's domain against what SPF and DKIM proved (section 6.6.2).

    draw: a random number from 0 up to 100, for `pct`; 0 applies every policy to all mail.
    Of several author domains the strictest failing one counts (section 6.6.1). A message with
    several From fields, or one of two readings, never passes.
    """
    if message.defect is not None:
        return Result(Status.PERMERROR, problem=Problem.HEADER_TOO_LARGE)
    who = authors(message)
    if who.more:
        # Nothing can pass for all of them, and no honest message has so many (section 6.6.1).
        return Result(Status.PERMERROR, who.domains[0], None, Policy.REJECT, problem=Problem.AUTHOR)
    if not who.domains:
        return Result(Status.PERMERROR, problem=Problem.AUTHOR)
    found = [await _check(domain, spf_result, dkim_results, resolver, draw) for domain in who.domains]
    worst = max(found, key=_weight)
    if who.certain:
        return worst
    strictest = max((result.policy or Policy.NONE for result in found), key=_STRICTNESS.index)
    several = len(message.where(b"from")) > 1
    return Result(
        Status.PERMERROR,
        worst.domain,
        strictest,
        strictest,
        undecided=any(result.status is Status.TEMPERROR for result in found),
        problem=Problem.SEVERAL_FROM if several else Problem.AUTHOR,
    )


def _weight(result: Result) -> tuple[int, bool, int]:
    """Order results by what they ask for; a pass counts least but for nothing at all."""
    order = (Status.PASS, Status.NONE, Status.PERMERROR, Status.TEMPERROR, Status.FAIL)
    return _STRICTNESS.index(result.action), result.undecided, order.index(result.status)


async def _check(
    domain: str,
    spf_result: spf.Result,
    dkim_results: Sequence[dkim.Result],
    resolver: Resolver,
    draw: float,
) -> Result:
    found = await discover(domain, resolver)
    if isinstance(found, Problem):
        # Whatever the record says, an identifier that is the author's domain itself is aligned.
        proven = {result.domain for result in dkim_results if result.status is dkim.Status.PASS}
        if spf_result.status is spf.Status.PASS:
            proven.add(spf_result.domain)
        return Result(Status.TEMPERROR, domain, undecided=domain not in proven, problem=found)
    if found is None:
        return Result(Status.NONE, domain)
    record, policy = found
    by_spf = _aligned(spf_result.domain, domain, strict=record.strict_spf)
    by_dkim = [r for r in dkim_results if _aligned(r.domain, domain, strict=record.strict_dkim)]
    spf_aligned = by_spf and spf_result.status is spf.Status.PASS
    dkim_aligned = any(result.status is dkim.Status.PASS for result in by_dkim)
    if spf_aligned or dkim_aligned:
        return Result(Status.PASS, domain, policy, spf_aligned=spf_aligned, dkim_aligned=dkim_aligned)
    action = _sampled(policy, record.percent, draw)
    if (by_spf and spf_result.status is spf.Status.TEMPERROR) or any(
        result.status is dkim.Status.TEMPERROR for result in by_dkim
    ):
        # It could still have passed (section 6.6.2); it only matters if failing has a consequence.
        undecided = action is Policy.REJECT
        return Result(Status.TEMPERROR, domain, policy, undecided=undecided, problem=Problem.DNS)
    return Result(Status.FAIL, domain, policy, action)


def _sampled(policy: Policy, percent: int, draw: float) -> Policy:
    """Apply `pct`: what is not drawn gets the next weaker policy (section 6.6.4)."""
    if draw < percent or policy is Policy.NONE:
        return policy
    return Policy.QUARANTINE if policy is Policy.REJECT else Policy.NONE


def aligned(one: str | None, author: str) -> bool:
    """Whether two domains have the same organisational domain (relaxed alignment, section 3.1)."""
    return _aligned(one, author, strict=False)


def _aligned(identifier: str | None, author: str, *, strict: bool) -> bool:
    if identifier is None:
        return False
    return identifier == author or (not strict and organisational(identifier) == organisational(author))


async def discover(domain: str, resolver: Resolver) -> tuple[Record, Policy] | Problem | None:
    """Find the policy of an author's domain: its own, else its organisational domain's (section 6.6.3).

    Returns the record with the policy for this domain, Problem.DNS if it could not be had now, or
    None: there is none.
    """
    organisation = organisational(domain)
    for name in dict.fromkeys((domain, organisation)):
        answer = await resolver.txt(f"_dmarc.{name}")
        if answer.outcome is Outcome.TEMPORARY:
            return Problem.DNS
        records = [text for text in answer.records if _is_record(text)]
        if len(records) > 1:
            # Several records are none (step 5).
            return None
        if records:
            record = parse_record(records[0])
            if record is None:
                return None
            return record, record.policy if name == domain else record.subdomains
    return None


def _is_record(text: bytes) -> bool:
    """Whether a text begins with the version; others are discarded (step 2)."""
    name, sign, value = text[:64].partition(b";")[0].partition(b"=")
    return bool(sign) and name.strip() == b"v" and value.strip() == b"DMARC1"


def parse_record(text: bytes) -> Record | None:
    """Read a record that begins with its version; malformed tags are left out (section 6.3).

    None if it has no valid policy and nobody to report to (section 6.6.3, step 6).
    """
    tags: dict[str, str] = {}
    for spec in text.decode("utf-8", "replace").split(";", MAX_TAGS)[:MAX_TAGS]:
        name, sign, value = spec.partition("=")
        if sign:
            tags.setdefault(name.strip().lower(), value.strip())
    policy = _POLICIES.get(tags.get("p", "").lower())
    subdomains = _POLICIES.get(tags.get("sp", "").lower()) if "sp" in tags else policy
    if policy is None or subdomains is None:
        if not any(uri.strip().lower().startswith("mailto:") for uri in tags.get("rua", "").split(",")):
            return None
        policy = subdomains = Policy.NONE
    percent = tags.get("pct", "100")
    sound = percent.isascii() and percent.isdigit() and len(percent) <= 3 and int(percent) <= 100
    return Record(
        policy,
        subdomains,
        strict_spf=tags.get("aspf", "r").lower() == "s",
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        percent=int(percent) if sound else 100,
    )
