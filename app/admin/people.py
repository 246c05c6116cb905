"""People: found by filters, the card of one, and what admins do to a person."""

from collections.abc import Callable

from flask import abort, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.admin.blueprint import READERS, Page, actor, after, authority, blueprint, newest_first, only_for
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import directory, htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import directory_name
from app.waivers.words import KINDS, STATES
from core import people as use_cases
from core.bulk import Action
from core.database import utc_now
from core.directories import Deadline
from core.models import Domain, Person, by_id
from core.person_card import may_see, note_looked, person_card
from core.person_search import Filter, addresses_of, find_people
from core.queues import Job, enqueue, wake_outbox
from core.roles import Role
from core.sync import sync_person

BUDGET = 4.0  # seconds for asking the directory while a page waits
DECIDERS = (Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
PERSON = "/people/<int(max=2147483647):person_id>"


@blueprint.get("/people")
@only_for(*READERS)
def people() -> Page:
    """List people, found by the filters in the address."""
    seen = authority().domains
    wanted = Filter(
        search=request.args.get("q", ""),
        state=request.args.get("state", ""),
        domain=request.args.get("domain", ""),
    )
    private = bool(authority().roles & set(DECIDERS))
    newest = newest_first(by_default=False)
    found = find_people(wanted, seen, after(), private=private, newest_first=newest)
    domains = Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)
    return render(
        "admin/people.html",
        "admin/_people.html",
        found=found,
        wanted=wanted,
        newest=newest,
        addresses=addresses_of(found.rows, seen),
        domains=[domain for domain in domains if seen is None or domain.id in seen],
        bulk_actions=[one for one in Action if one.may(authority())],
    )


@blueprint.get(PERSON)
@only_for(*READERS)
def person(person_id: int) -> Page:
    """Show one person; private addresses are masked."""
    return card(person_id)


@blueprint.post(f"{PERSON}/mailboxes")
@only_for(*DECIDERS)
def person_in_full(person_id: int) -> Page:
    """Show one person with their private addresses; the record says who looked."""
    note_looked(actor(), seen_person(person_id), utc_now())
    return card(person_id, in_full=True)


@blueprint.post(f"{PERSON}/check")
@only_for(*DECIDERS)
def check_person(person_id: int) -> Page:
    """Ask the directory about this person now; go on in a job when it takes too long."""
    seen_person(person_id)
    asked = directory_name()
    if sync_person(directory, person_id, Deadline(BUDGET), utc_now()):
        return done(person_id, _("%(directory)s answered.", directory=asked[:1].upper() + asked[1:]))
    enqueue(settings, Job.SYNC_PERSON, person_id)
    return done(person_id, _("%(directory)s did not answer in time: a job goes on asking.", directory=asked))


@blueprint.post(f"{PERSON}/ban")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.person")
def ban_person(person_id: int) -> Page:
    """Ban a person."""
    return _change(person_id, use_cases.ban, _("Banned: all their addresses are held, all sessions ended."))


@blueprint.post(f"{PERSON}/unban")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.person")
def unban_person(person_id: int) -> Page:
    """Lift a ban."""
    return _change(person_id, use_cases.unban, _("The ban is lifted."))


@blueprint.post(f"{PERSON}/end-sessions")
@only_for(Role.PROJECT_ADMIN)
def end_sessions_of_person(person_id: int) -> Page:
    """Sign a person out everywhere."""
    return _change(person_id, use_cases.end_sessions, _("Signed out everywhere."))


def _change(person_id: int, change: Callable[..., object], sentence: str) -> Page:
    one = seen_person(person_id)
    if one.id == current_user.person.id:
        return card(person_id, error=_("This is you: another admin decides.")), 422
    change(actor(), one, utc_now())
    wake_outbox(settings)
    return done(person_id, sentence)


def seen_person(person_id: int) -> Person:
    """Load a person whom the signed-in admin may see, or answer 404 as for one who is not there."""
    found = by_id(Person, person_id)
    if found is None or not may_see(found, authority().domains):
        abort(404)
    return found  # type: ignore[no-any-return]


def done(person_id: int, sentence: str) -> Page:
    """Show a person after a change, and say what was done."""
    say(sentence)
    return card(person_id, changed=True) if htmx else go(url_for("admin.person", person_id=person_id))


def card(person_id: int, **said: object) -> str:
    """Render the card of a person, or with HTMX its changing part."""
    found = person_card(seen_person(person_id), authority().domains, utc_now())
    roles = authority().roles
    return render(
        "admin/person.html",
        "admin/_person.html",
        card=found,
        kinds=KINDS,
        states=STATES,
        may_look=bool(roles & set(DECIDERS)),
        may_ban=Role.PROJECT_ADMIN in roles,
        **said,
    )
