"""The home page: one row for each domain, with its why and its one action."""

from collections.abc import Sequence
from datetime import timedelta

from flask import Response, abort, g, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.extensions import directory, htmx, settings
from app.navigation import go
from app.portal.blueprint import Page, blueprint, render, say
from app.portal.words import ACCOUNT_WIDE, CLAIM_PROBLEMS
from app.presentation import directory_name, told
from core import aliases
from core.aliases import ClaimProblem, ClaimRefused
from core.database import utc_now
from core.directories import Deadline
from core.domains import find_domain
from core.eligibility import Reason
from core.facts import Answer
from core.models import Domain
from core.overview import DomainRow, overview_of
from core.queues import Job, enqueue, wake_outbox
from core.recipients import RecipientProblem
from core.sync import sync_person

BUDGET = 4.0  # seconds for asking Launchpad while a page waits
POLLING = timedelta(seconds=30)
"""So long after a sign-in the page looks for an answer that a job is fetching, every two seconds."""


@blueprint.get("/home")
@login_required
def home() -> Page:
    """Show a row for each domain."""
    return _home(asked_in_vain=request.args.get("asked") == "in-vain")


@blueprint.get("/home/rows")
@login_required
def rows() -> Page:
    """Show the rows again when a job has asked Launchpad; the page polls this, with an end.

    Until then nothing is swapped: whoever is on the page keeps their place in it.
    """
    if htmx and _may_be_answered_soon():
        return Response(status=204, headers={"HX-Trigger": "again"})
    if htmx:
        _say_answer(not _is_unanswered())
    return _home()


@blueprint.post("/home/check")
@login_required
def check_again() -> Page:
    """Ask Launchpad about this person now; go on in a job when it takes too long."""
    answered = _ask()
    if htmx:
        return _home(asked_in_vain=not answered, focus="standing")
    return go(url_for("portal.home", asked=None if answered else "in-vain"))


@blueprint.post("/domains/<name>/check")
@login_required
def check_domain(name: str) -> Page:
    """Ask Launchpad now, from the row of one domain."""
    _domain(name)
    answered = _ask()
    if htmx:
        _say_answer(answered)
        return _home(only=name, focus=name)
    return _go_to_row(name, asked=None if answered else "in-vain")


def _say_answer(answered: bool) -> None:
    asked = directory_name()
    if answered:
        say(_("%(directory)s answered.", directory=asked[:1].upper() + asked[1:]))
    else:
        say(_("We could not ask %(directory)s. Try again in a minute.", directory=asked))


def _is_unanswered() -> bool:
    """Whether the directory has not answered about this person since they signed in."""
    asked_at = current_user.person.asked_at
    return asked_at is None or asked_at < current_user.session.created_at


def _may_be_answered_soon() -> bool:
    return _is_unanswered() and utc_now() - current_user.session.created_at < POLLING


def _ask() -> bool:
    person = current_user.person
    answered = sync_person(directory, person.id, Deadline(BUDGET), utc_now())
    if not answered:
        enqueue(settings, Job.SYNC_PERSON, person.id)
    wake_outbox(settings)
    current_user.person = person.get_by_id(person.id)
    return answered


@blueprint.post("/domains/<name>/claim")
@login_required
def claim(name: str) -> Page:
    """Claim one's own name on a domain."""
    domain = _domain(name)
    recipient = request.form.get("recipient")
    try:
        aliases.claim(current_user.person.id, domain, recipient, settings.record_secret, utc_now())
    except ClaimRefused as error:
        status, sentence = CLAIM_PROBLEMS[error.problem]
        field = "recipient" if error.problem is ClaimProblem.NEEDS_RECIPIENT else ""
        return _home(errors={name: (field, sentence)}, status=status, only=name, focus="" if field else name)
    except RecipientProblem as error:
        return _home(errors={name: ("recipient", told(error))}, status=422, only=name, typed=recipient)
    wake_outbox(settings)
    say(_("The address is yours."))
    return _home(only=name, focus=name) if htmx else _go_to_row(name)


def _domain(name: str) -> Domain:
    domain = find_domain(name)
    if domain is None or domain.name != name:
        abort(404)
    return domain


def _go_to_row(name: str, **arguments: str | None) -> Page:
    return go(url_for("portal.home", _anchor=f"domain-{name.replace('.', '-')}", **arguments))


def _home(
    errors: dict[str, tuple[str, str]] | None = None,
    status: int = 200,
    only: str | None = None,
    focus: str = "",
    asked_in_vain: bool = False,
    typed: str | None = None,
) -> tuple[str, int]:
    """Render the home page, its table of rows, or with HTMX the one row that changed."""
    person = current_user.person
    overview = overview_of(person, utc_now(), settings.record_secret)
    g.failing = overview.failing
    soon = _may_be_answered_soon()
    context = {
        "overview": overview,
        "account": _account_reasons(overview.rows),
        "errors": errors or {},
        "person": person,
        "waiting": soon and not asked_in_vain,
        "unanswered": asked_in_vain or (_is_unanswered() and not soon),
        "focus": focus,
        "typed": typed,
        "role_addresses": overview.role_addresses,
    }
    if only is None:
        return render("portal/home.html", "portal/_rows.html", **context), status
    row = next(row for row in overview.rows if row.domain.name == only)
    return render("portal/home.html", "portal/_domain_row.html", row=row, **context), status


def _account_reasons(rows: Sequence[DomainRow]) -> list[Reason]:
    """Return what is missing of the account itself: it is said once, above the rows."""
    missing = [reason for row in rows for reason in row.decision.missing if reason.answer is Answer.NO]
    return list({reason.condition: reason for reason in missing if reason.condition in ACCOUNT_WIDE}.values())
