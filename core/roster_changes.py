"""What a new roster file would change: said before it is put in place."""

from collections.abc import Iterator
from typing import Any

from core.directories.roster_file import Entry, Roster, all_teams
from core.facts import Answer
from core.models import Alias, Domain, Identity, Person
from core.routing import Switch
from core.standing import mapped_teams, teams_of


def changes(old: Roster, new: Roster) -> Iterator[str]:
    """Say who is added, who is gone, and what changes for those who stay; one line each."""
    before = {_key(entry): entry for entry in old.entries}
    after = {_key(entry): entry for entry in new.entries}
    for key, entry in after.items():
        if key in before:
            yield from _changes_of(before[key], entry)
        elif (namesake := old.named(entry.name)) is None:
            yield f"added: {entry.name}{_in_teams(entry)}"
        elif namesake.subject is None and entry.subject is not None:
            yield f"{entry.name}: is known by an id now, no longer by an address"
            yield from _changes_of(namesake, entry)
        else:
            yield f"{entry.name}: this name is now another person's, with another id or address"
    for key, entry in before.items():
        if key not in after and new.named(entry.name) is None:
            yield f"gone: {entry.name}{_in_teams(entry)}"


def _key(entry: Entry) -> tuple[str | None, str | None]:
    return entry.subject, entry.email_key


def _changes_of(old: Entry, new: Entry) -> Iterator[str]:
    if old.name != new.name:
        yield f"{old.name}: is called {new.name} now"
    for word, teams in (("joins", new.teams - old.teams), ("leaves", old.teams - new.teams)):
        if teams:
            yield f"{new.name}: {word} {', '.join(sorted(teams))}"
    if old.coc_signed is not new.coc_signed:
        yield f"{new.name}: Code of Conduct signed: {new.coc_signed} (was {old.coc_signed})"


def _in_teams(entry: Entry) -> str:
    return f" ({', '.join(sorted(entry.teams))})" if entry.teams else " (in no team)"


def shrunken_teams(old: Roster, new: Roster) -> Iterator[str]:
    """Say which teams lose people, and how many; a loss of many at once waits for an admin."""
    for team in sorted(all_teams(old.entries)):
        before, after = ({entry.name for entry in roster.team(team)} for roster in (old, new))
        if before - after:
            yield f"{team}: {len(before - after)} of {len(before)} are gone"


def missing_teams(new: Roster) -> list[str]:
    """Return the teams that domains ask for and that nobody in the roster is in."""
    return sorted(mapped_teams() - all_teams(new.entries))


def addresses_at_risk(old: Roster | None, new: Roster, issuer: str) -> list[str]:
    """Return the addresses in use to which the new roster does not entitle, and the old one did.

    Without an old one, all to which the new one does not entitle. issuer: the one whose identities
    the roster names.
    """
    rules = {domain.id: (domain.coc_required, set(teams_of(domain))) for domain in Domain.select()}
    columns = (Alias.local_part, Domain.name, Domain.id, Identity.subject)
    proven = (Person.sign_in_email, Person.sign_in_email_proven)
    owned: Any = Alias.select(*columns, *proven).join(Domain).switch(Alias).join(Person).join(Identity)
    in_use = owned.where(
        Identity.issuer == issuer, Alias.switch != Switch.GIVEN_UP, Domain.removed_at.is_null()
    )
    found = set()
    for local_part, name, domain_id, subject, address, is_proven in in_use.tuples():
        email = address if is_proven else None
        entitled_before = old is None or _entitles(old.find(subject, email), *rules[domain_id])
        if entitled_before and not _entitles(new.find(subject, email), *rules[domain_id]):
            found.add(f"{local_part}@{name}")
    return sorted(found)


def _entitles(entry: Entry | None, coc_required: bool, teams: set[str]) -> bool:
    """Whether an entry entitles; what it does not say about the Code of Conduct takes nothing away."""
    if entry is None or not entry.teams & teams:
        return False
    return not coc_required or entry.coc_signed is not Answer.NO
