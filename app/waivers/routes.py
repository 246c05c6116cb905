"""Asking for a waiver, seeing what became of it, and taking it back.

`/waivers/new?kind=KIND&domain=DOMAIN` opens the form with both chosen. KIND is `local-part`, `domain` or
`grace`; other pages link there.
"""

from datetime import date

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from app.waivers.words import HINTS, KINDS, STATES
from core import waivers
from core.database import utc_now
from core.domains import find_domain
from core.models import Alias, Domain
from core.queues import wake_outbox
from core.translation import N_
from core.waiver_rules import LONGEST_REASON, SHORTEST_REASON, Kind, State, WaiverProblem
from core.waivers import Request

Page = Response | str | tuple[str, int]

blueprint = Blueprint("waivers", __name__)


@blueprint.get("/waivers")
@login_required
def page() -> Page:
    """List the person's requests, with state and answer."""
    return _list()


@blueprint.get("/waivers/new")
@login_required
def new() -> Page:
    """Show the form, for the kind and the domain in the address."""
    return _form(request.args.get("kind", ""), request.args)


@blueprint.post("/waivers")
@login_required
def ask() -> Page:
    """Put a request before the admins."""
    try:
        waivers.ask(current_user.person.id, _request(), settings.record_secret, utc_now())
    except WaiverProblem as error:
        return _form(request.form.get("kind", ""), request.form, error=told(error)), 422
    wake_outbox(settings)
    say(_("Your request is with the admins. Their answer comes by mail, and stands here."), on_next_page=True)
    return go(url_for("waivers.page"))


@blueprint.post("/waivers/<int(max=2147483647):waiver_id>/withdraw")
@login_required
def withdraw(waiver_id: int) -> Page:
    """Take a request back."""
    try:
        waivers.withdraw(current_user.person.id, waiver_id, utc_now())
    except WaiverProblem as error:
        return _list(error=told(error)), 409
    say(_("You have taken it back."))
    return _list(withdrawn=True) if htmx else go(url_for("waivers.page"))


def _request() -> Request:
    """Read the form. Raises WaiverProblem for a domain, a kind or a day that is none."""
    fields = request.form
    domain = find_domain(fields.get("domain", ""))
    if domain is None or fields.get("kind") not in list(Kind):
        raise WaiverProblem(N_("Choose a domain."))
    try:
        until = date.fromisoformat(fields["until"]) if fields.get("until") else None
    except ValueError:
        raise WaiverProblem(N_("The last day is a date such as 2027-01-31.")) from None
    return Request(
        Kind(fields["kind"]), domain, fields.get("reason", ""), fields.get("local_part", ""), until
    )


def _form(kind: str, fields: object, error: str = "") -> str:
    chosen = Kind(kind) if kind in list(Kind) else Kind.LOCAL_PART
    return render_template(
        "waivers/_ask.html" if htmx and request.method == "POST" else "waivers/new.html",
        kind=chosen,
        kinds=KINDS,
        hint=HINTS[chosen],
        domains=list(Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)),
        fields=fields,
        error=error,
        today=utc_now().date(),
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
    )


def _list(error: str = "", withdrawn: bool = False) -> str:
    person = current_user.person
    aliases = Alias.select().where(Alias.person == person)
    own = {(alias.domain_id, alias.local_part): alias for alias in aliases}
    rows = waivers.waivers_of(person)
    return render(
        "waivers/page.html",
        "waivers/_list.html",
        waivers=[(row, own.get((row.domain_id, row.local_part))) for row in rows],
        kinds=KINDS,
        states=STATES,
        is_open=[row.id for row in rows if row.state == State.ASKED],
        error=error,
        withdrawn=withdrawn,
    )
