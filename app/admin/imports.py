"""Lists of old addresses: bring one, see what becomes of each line, let it in; and who still waits."""

from datetime import date, datetime

from flask import Response, abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import (
    OF_THE_PROJECT,
    Page,
    actor,
    after,
    blueprint,
    filters,
    newest_first,
    only_for,
)
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import import_runs, reservations, takeover
from core.database import utc_now
from core.import_file import MAX_OCTETS, FileProblem
from core.import_rules import Fate
from core.import_runs import State
from core.models import ImportRun, Reservation
from core.ownership import NotYours
from core.queues import Job, enqueue, wake_outbox
from core.reservations import NameState
from core.roles import Role
from core.translation import unpacked
from core.waiver_rules import end_of

RUN = "/imports/<int(max=2147483647):list_id>"
KEPT = "/waiting/<int(max=2147483647):kept_id>"
FORM_ROOM = 64 * 1024
"""Octets of a form with a file beside the file itself."""


@blueprint.url_value_preprocessor
def allow_a_file(endpoint: str | None, _values: object) -> None:
    """Let this one form be large; before anything reads it, as the check of its token does."""
    if endpoint == "admin.bring_list":
        request.max_content_length = MAX_OCTETS + FORM_ROOM


@blueprint.get("/imports")
@only_for(*OF_THE_PROJECT)
def imports() -> Page:
    """Show the form, and the lists that were brought lately."""
    return _imports()


@blueprint.post("/imports")
@only_for(Role.PROJECT_ADMIN)
def bring_list() -> Page:
    """Take a file; a job says what would become of each line."""
    file, now = request.files.get("file"), utc_now()
    try:
        day = date.fromisoformat(request.form["as_of"]) if request.form.get("as_of") else None
    except ValueError:
        return _imports(day_error=_("A day is written such as 2026-01-31.")), 422
    if day is not None and day > now.date():
        return _imports(day_error=_("That day is still to come.")), 422
    listed_at: datetime | None = end_of(day) if day is not None else None
    try:
        run = import_runs.begin(actor(), file.read() if file else b"", listed_at, now)
    except FileProblem as problem:
        return _imports(file_error=told(problem)), 422
    return _started(run)


@blueprint.get(RUN)
@only_for(*OF_THE_PROJECT)
def import_run(list_id: int) -> Page:
    """Show what becomes of each line; while a job is at it, the page asks again."""
    run = import_runs.find(list_id) or abort(404)
    if htmx and request.args.get("seen") == f"{run.state}-{run.done}":
        return Response(status=204, headers={"HX-Trigger": "again"})
    return _run(run)


@blueprint.post(f"{RUN}/approve")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.import_run")
def approve_import(list_id: int) -> Page:
    """Bring in what can be used."""
    try:
        return _started(import_runs.approve(actor(), list_id, utc_now()))
    except NotYours:
        return _decided(list_id)


@blueprint.post(f"{RUN}/discard")
@only_for(Role.PROJECT_ADMIN)
def discard_import(list_id: int) -> Page:
    """Forget a list that was not brought in."""
    try:
        import_runs.discard(actor(), list_id, utc_now())
    except NotYours:
        return _decided(list_id)
    say(_("The list is forgotten."), on_next_page=True)
    return go(url_for("admin.imports"))


@blueprint.get("/waiting")
@only_for(*OF_THE_PROJECT)
def waiting() -> Page:
    """List the addresses whose owners have not taken them over."""
    return _waiting()


@blueprint.post("/waiting/look-again")
@only_for(Role.PROJECT_ADMIN)
def look_again() -> Page:
    """Have the names looked up anew that led nowhere."""
    reservations.look_again(actor(), utc_now())
    enqueue(settings, Job.RESOLVE_NAMES)
    say(_("The names are looked up again."))
    return _waiting() if htmx else go(url_for("admin.waiting"))


@blueprint.get(KEPT)
@only_for(*OF_THE_PROJECT)
def kept_address(kept_id: int) -> Page:
    """Show one of them, with what an admin may do about it."""
    return _kept(kept_id)


@blueprint.post(f"{KEPT}/give")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.kept_address")
def give_kept(kept_id: int) -> Page:
    """Give an address to a person, by their number; the address is typed once more."""
    row = _row(kept_id)
    if request.form.get("confirm", "").strip().lower() != row.alias.text:
        return _kept(kept_id, error=_("Type the address to confirm.")), 422
    try:
        takeover.give(actor(), kept_id, request.form.get("person", 0, int), utc_now())
    except NotYours:
        return _kept(kept_id, error=_("There is no such person, or they are banned.")), 422
    wake_outbox(settings)
    say(_("The address is given away. Its mailboxes are told."), on_next_page=True)
    return go(url_for("admin.waiting"))


@blueprint.post(f"{KEPT}/drop")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.kept_address")
def drop_kept(kept_id: int) -> Page:
    """Undo the import of one address."""
    row = _row(kept_id)
    if request.form.get("confirm", "").strip().lower() != row.alias.text:
        return _kept(kept_id, error=_("Type the address to confirm.")), 422
    reservations.drop(actor(), kept_id, utc_now())
    say(_("The address is taken out. Mail for it is refused."), on_next_page=True)
    return go(url_for("admin.waiting"))


def _decided(list_id: int) -> Page:
    run = import_runs.find(list_id) or abort(404)
    return _run(run, error=_("Nothing was changed: that is decided already.")), 409


def _started(run: ImportRun) -> Page:
    if not enqueue(settings, Job.IMPORT_FILE, run.id, run.state):
        say(_("The broker does not answer. The list is looked at as soon as it does."), on_next_page=True)
    return go(url_for("admin.import_run", list_id=run.id))


def _imports(**said: object) -> str:
    newest = newest_first(by_default=True)
    found = import_runs.recent(after(), newest_first=newest)
    return render(
        "admin/imports.html", "admin/_imports.html", found=found, newest=newest, State=State, **said
    )


def _run(run: ImportRun, **said: object) -> str:
    fate = filters().get("fate", "")
    fate = fate if fate in list(Fate) else ""
    return render(
        "admin/import_run.html",
        "admin/_import_run.html",
        run=run,
        counts=import_runs.counts_of(run),
        found=import_runs.report_of(run, fate, after()),
        fate=fate,
        problem=told(unpacked(run.problem)),
        Fate=Fate,
        State=State,
        undecided=reservations.undecided(),
        **said,
    )


def _waiting(**said: object) -> str:
    state = filters().get("state", "")
    state = state if state in list(NameState) else ""
    search = filters().get("q", "").strip()
    newest = newest_first(by_default=False)
    return render(
        "admin/waiting.html",
        "admin/_waiting.html",
        found=reservations.still_waiting(state, search, after(), newest_first=newest),
        newest=newest,
        counts=reservations.how_many(),
        state=state,
        search=search,
        **said,
    )


def _row(kept_id: int) -> Reservation:
    return Reservation.get_or_none(Reservation.alias == kept_id) or abort(404)


def _kept(kept_id: int, **said: object) -> str:
    return render("admin/kept_address.html", "admin/_kept_address.html", row=_row(kept_id), **said)
