"""The requests that wait for an admin: the queue with its filters, and the card of one."""

from collections.abc import Callable
from datetime import date

from flask import abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import READERS, Page, actor, after, authority, blueprint, newest_first, only_for
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from app.waivers.words import KINDS, STATES
from core import waivers as use_cases
from core.database import utc_now
from core.models import Domain, Waiver, by_id
from core.queues import wake_outbox
from core.roles import Role
from core.translation import N_
from core.waiver_queue import Filter, card_of, find_waivers
from core.waiver_rules import LONGEST_REASON, Kind, State, WaiverProblem

ALL = "all"
"""The state by which requests of every state are asked for."""

WAIVER = "/waivers/<int(max=2147483647):waiver_id>"


@blueprint.get("/waivers")
@only_for(*READERS)
def waivers() -> Page:
    """List requests, found by the filters in the address."""
    seen = authority().domains
    domains = Domain.select().order_by(Domain.name)
    state = request.args.get("state", State.ASKED)
    wanted = Filter(
        state="" if state == ALL else state,
        kind=request.args.get("kind", ""),
        domain=request.args.get("domain", ""),
        search=request.args.get("q", ""),
    )
    newest = newest_first(by_default=wanted.state != State.ASKED)
    return render(
        "admin/waivers.html",
        "admin/_waivers.html",
        found=find_waivers(wanted, seen, after(), newest_first=newest),
        newest=newest,
        wanted=wanted,
        domains=[domain for domain in domains if seen is None or domain.id in seen],
        kinds=KINDS,
        states=STATES,
    )


@blueprint.get(WAIVER)
@only_for(*READERS)
def waiver(waiver_id: int) -> Page:
    """Show one request with everything needed to decide on it."""
    return _card(waiver_id)


@blueprint.post(f"{WAIVER}/grant")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
@needs_fresh_sign_in("admin.waiver")
def grant_waiver(waiver_id: int) -> Page:
    """Grant a request, until the day that was chosen."""
    return _decide(
        waiver_id,
        lambda: use_cases.grant(
            actor(), waiver_id, settings.record_secret, utc_now(), until=_until(), answer=_answer()
        ),
        _("Granted. The person is told."),
    )


@blueprint.post(f"{WAIVER}/refuse")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
def refuse_waiver(waiver_id: int) -> Page:
    """Refuse a request with a reason."""
    return _decide(
        waiver_id,
        lambda: use_cases.refuse(actor(), waiver_id, _answer(), utc_now()),
        _("Refused. The person is told."),
    )


@blueprint.post(f"{WAIVER}/end")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
@needs_fresh_sign_in("admin.waiver")
def end_waiver(waiver_id: int) -> Page:
    """End a granted entitlement to a domain now."""
    return _decide(waiver_id, lambda: use_cases.end(actor(), waiver_id, utc_now()), _("Ended."))


def _answer() -> str:
    return request.form.get("answer", "")


def _until() -> date | None:
    """Read the last day. Raises WaiverProblem when it is no day."""
    try:
        return date.fromisoformat(request.form["until"]) if request.form.get("until") else None
    except ValueError:
        raise WaiverProblem(N_("The last day is a date such as 2027-01-31.")) from None


def _decide(waiver_id: int, decide: Callable[[], object], done: str) -> Page:
    if not authority().decides(_seen(waiver_id).domain_id):
        abort(403)
    try:
        decide()
    except WaiverProblem as error:
        return _card(waiver_id, error=told(error)), 422
    wake_outbox(settings)
    say(done)
    return _card(waiver_id, decided=done) if htmx else go(url_for("admin.waiver", waiver_id=waiver_id))


def _seen(waiver_id: int) -> Waiver:
    """Load a request of a domain that this admin sees, or answer 404 as for one that is not there."""
    found: Waiver | None = by_id(Waiver, waiver_id)
    return found if found is not None and authority().sees(found.domain_id) else abort(404)


def _card(waiver_id: int, **said: object) -> str:
    row, now = _seen(waiver_id), utc_now()
    return render(
        "admin/waiver.html",
        "admin/_waiver.html",
        card=card_of(row, authority().domains, now),
        may_decide=row.state == State.ASKED and authority().decides(row.domain_id),
        may_end=row.kind == Kind.DOMAIN
        and row.state == State.GRANTED
        and (row.ends_at is None or row.ends_at > now)
        and authority().decides(row.domain_id),
        typed=request.form,
        today=now.date(),
        longest=LONGEST_REASON,
        kinds=KINDS,
        states=STATES,
        told=told,
        **said,
    )
