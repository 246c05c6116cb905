"""What the brakes hold: two lists side by side, to be confirmed or discarded."""

from collections.abc import Callable

from flask import request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import OF_THE_PROJECT, Page, actor, blueprint, only_for
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from core import held as use_cases
from core.database import utc_now
from core.models import TeamReading, by_id
from core.queues import Job, enqueue, wake_outbox
from core.roles import Role

MOST_SHOWN = 200
"""So many people at most stand in each list."""
READING = "/held/teams/<int(max=2147483647):reading_id>"


@blueprint.get("/held")
@only_for(*OF_THE_PROJECT)
def held() -> Page:
    """Show what is held: teams on one side, accounts on the other."""
    return _lists()


@blueprint.post(f"{READING}/confirm")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.held")
def confirm_team(reading_id: int) -> Page:
    """Accept a held reading of a team."""
    reading = by_id(TeamReading, reading_id)
    page = _decide(lambda: use_cases.confirm_team(actor(), reading_id, utc_now()), _("Confirmed."))
    if reading is not None:
        enqueue(settings, Job.SYNC_TEAM, reading.team)
    return page


@blueprint.post(f"{READING}/discard")
@only_for(Role.PROJECT_ADMIN)
def discard_team(reading_id: int) -> Page:
    """Forget a held reading of a team."""
    return _decide(lambda: use_cases.discard_team(actor(), reading_id, utc_now()), _("Discarded."))


@blueprint.post("/held/accounts/confirm")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.held")
def confirm_accounts() -> Page:
    """Let the chosen changes of accounts count."""
    return _decide(lambda: use_cases.confirm_accounts(actor(), _chosen(), utc_now()), _("Confirmed."))


@blueprint.post("/held/accounts/discard")
@only_for(Role.PROJECT_ADMIN)
def discard_accounts() -> Page:
    """Forget the chosen changes of accounts."""
    return _decide(lambda: use_cases.discard_accounts(actor(), _chosen(), utc_now()), _("Discarded."))


def _chosen() -> list[int]:
    return [number for number in request.form.getlist("fact", int) if 0 < number < 2**31]


def _decide(decide: Callable[[], object], done: str) -> Page:
    if not decide():
        return _lists(error=_("Nothing was changed: that is decided already, or nothing was chosen.")), 409
    wake_outbox(settings)
    say(done)
    return _lists(decided=done) if htmx else go(url_for("admin.held"))


def _lists(**said: object) -> str:
    accounts = use_cases.held_accounts_now(MOST_SHOWN + 1)
    return render(
        "admin/held.html",
        "admin/_held.html",
        teams=use_cases.held_teams_now(MOST_SHOWN),
        accounts=accounts[:MOST_SHOWN],
        more_accounts=len(accounts) > MOST_SHOWN,
        **said,
    )
