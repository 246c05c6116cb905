"""What may be asked for as a waiver: the kinds, and the rules for each."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from core.addresses import is_claimable_local_part
from core.aliases import ClaimProblem, name_problem
from core.erased import names_left_by
from core.facts import Answer
from core.models import Alias, Person, Waiver
from core.routing import Entitlement, Switch
from core.standing import decision_for
from core.translation import N_, ToldError

SHORTEST_REASON, LONGEST_REASON = 10, 1000
"""In characters; an answer has at most as many."""

LONGEST = timedelta(days=366)
"""A later end of the grace time is at most so far away."""


class Kind(StrEnum):
    """What can be asked for."""

    LOCAL_PART = "local-part"
    """An address with another name than the Launchpad name."""
    DOMAIN = "domain"
    """An address on a domain without membership in one of its teams."""
    GRACE = "grace"
    """A later end for addresses that are about to end."""


class State(StrEnum):
    """What became of it."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class WaiverProblem(ToldError):
    """It cannot be asked for, or not be decided; the message says why, for whoever tried."""


def check(waiver: Waiver, record_secret: str, now: datetime) -> None:
    """Raise WaiverProblem when what is asked for cannot be had, or is there already."""
    if waiver.domain.removed_at is not None:
        raise WaiverProblem(N_("%(domain)s is not served here any more."), domain=waiver.domain.name)
    if waiver.kind == Kind.LOCAL_PART:
        _check_name(waiver, record_secret, now)
    elif waiver.ends_at is not None and waiver.ends_at <= now:
        raise WaiverProblem(N_("That day is over."))
    elif waiver.kind == Kind.DOMAIN:
        if decision_for(waiver.person, waiver.domain, now).answer is Answer.YES:
            text = N_("The address on %(domain)s can be claimed without a waiver.")
            raise WaiverProblem(text, domain=waiver.domain.name)
    else:
        _check_end(waiver, now)


def _check_name(waiver: Waiver, record_secret: str, now: datetime) -> None:
    """The same rules as for a claim, but that the name may have a `+`."""
    person, domain, name = waiver.person, waiver.domain, str(waiver.local_part)
    stem = name.partition("+")[0]
    if not all(map(is_claimable_local_part, (stem, name.replace("+", "-")))):
        raise WaiverProblem(N_("A name has letters from a to z, digits, and dots, - or + between them."))
    if ClaimProblem.RESERVED in (name_problem(domain, name), name_problem(domain, stem)):
        raise WaiverProblem(N_("This name is kept for the project."))
    alias = Alias.get_or_none(Alias.domain == domain, Alias.local_part == name)
    if alias is not None and alias.person_id == person.id and not _is_over(alias):
        raise WaiverProblem(N_("%(address)s is there already."), address=alias.text)
    known = [] if alias is None or alias.person_id == person.id else [alias.id]
    if known and not names_left_by(person, record_secret, known):
        raise WaiverProblem(N_("Somebody else has this address, or had it."))
    if decision_for(person, domain, now).answer is Answer.NO:
        text = N_("It needs an entitlement to %(domain)s, which comes first.")
        raise WaiverProblem(text, domain=domain.name)


def _check_end(waiver: Waiver, now: datetime) -> None:
    aliases = ending(waiver)
    if not aliases:
        raise WaiverProblem(N_("No address on %(domain)s is about to end."), domain=waiver.domain.name)
    if waiver.ends_at is None:
        raise WaiverProblem(N_("Say until when."))
    if any(alias.grace_until and alias.grace_until >= waiver.ends_at for alias in aliases):
        raise WaiverProblem(N_("The address lasts longer than that already."))
    if waiver.ends_at > now + LONGEST:
        raise WaiverProblem(N_("A year from now is the latest."))


def _is_over(alias: Alias) -> bool:
    return alias.switch == Switch.GIVEN_UP or alias.entitlement == Entitlement.ENDED


def ending(waiver: Waiver) -> list[Alias]:
    """Return the person's addresses on the domain that are about to end, or have ended; none given up."""
    query = Alias.select().where(
        Alias.person == waiver.person_id,
        Alias.domain == waiver.domain_id,
        Alias.switch != Switch.GIVEN_UP,
        Alias.entitlement != Entitlement.ENTITLED,
    )
    return list(query)


def warnings_about(waiver: Waiver) -> list[ToldError]:
    """Say what an admin should know before they grant another name; nothing is raised."""
    name, found = waiver.local_part or "", []
    stem = name.partition("+")[0]
    stems = Alias.select().where(Alias.domain == waiver.domain, Alias.local_part == stem)
    if stem != name and stems.exists():
        text = N_(
            "Mail for %(name)s@%(domain)s goes to %(stem)s@%(domain)s today, as a sub-address of it. "
            "It would go to this person instead."
        )
        found.append(ToldError(text, name=name, stem=stem, domain=waiver.domain.name))
    named = Person.select().where(Person.launchpad_name == name, Person.id != waiver.person_id)
    if name and named.exists():
        text = N_("%(name)s is the name of another person here, who could not claim it any more.")
        found.append(ToldError(text, name=name))
    return found


def end_of(day: date) -> datetime:
    """Return the last second of a day, in UTC."""
    return datetime.combine(day, time(23, 59, 59), UTC)


def clean(text: str) -> str:
    """Keep what can be seen, and line ends."""
    lines = "".join(char for char in text.replace("\r\n", "\n") if char.isprintable() or char == "\n")
    return lines.strip()
