"""One action on many people: the dry run, its outcome, and the run."""

from flask import abort, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.admin.blueprint import Page, after, authority, blueprint, only_for
from app.admin.people import DECIDERS
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import settings
from app.navigation import go
from app.portal.blueprint import render
from app.presentation import told
from core import bulk as use_cases
from core.bulk import Action, BulkProblem
from core.database import utc_now
from core.models import BulkRun, Person, by_id
from core.paging import slice_of
from core.person_card import may_see
from core.queues import Job, enqueue
from core.roles import Role

RUN = "/bulk/<int(max=2147483647):bulk_id>"


@blueprint.get("/bulk")
@only_for(*DECIDERS)
def bulk() -> Page:
    """Show the form, and what was begun lately."""
    return _form()


@blueprint.post("/bulk")
@only_for(*DECIDERS)
def begin_bulk() -> Page:
    """Begin a dry run, for those who were ticked in the list of people or named in the form."""
    action = {one.value: one for one in Action}.get(request.form.get("action", "")) or abort(400)
    if not action.may(authority()):
        abort(403)
    typed = request.form.get("names", "")
    names = sorted({line.strip().lower() for line in typed.splitlines() if line.strip()})
    try:
        run = use_cases.begin(current_user.person, action, _chosen(names), utc_now())
    except BulkProblem as error:
        return _form(error=told(error), typed=typed, chosen=action), 422
    enqueue(settings, Job.RUN_BULK, run.id)
    return go(url_for("admin.bulk_run", bulk_id=run.id))


@blueprint.get(RUN)
@only_for(*DECIDERS)
def bulk_run(bulk_id: int) -> Page:
    """Show how far a run is, and what became of each."""
    return _run(bulk_id)


@blueprint.post(f"{RUN}/start")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.bulk_run")
def start_bulk(bulk_id: int) -> Page:
    """Do what a dry run has shown."""
    _seen(bulk_id)
    try:
        run = use_cases.start(current_user.person, bulk_id, utc_now())
    except BulkProblem as error:
        return _run(bulk_id, error=told(error)), 409
    enqueue(settings, Job.RUN_BULK, run.id)
    return go(url_for("admin.bulk_run", bulk_id=run.id))


def _chosen(names: list[str]) -> list[int]:
    """Return the ids of those who were ticked or named, as far as they may be seen."""
    ticked = [number for number in request.form.getlist("person", int) if 0 < number < 2**31]
    people = Person.select().where(Person.id.in_(ticked) | Person.launchpad_name.in_(names))
    found = list(people.limit(use_cases.MOST + 1))
    known = {person.launchpad_name for person in found}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BulkProblem(_("Nobody here has these names: %(names)s", names=", ".join(unknown[:20])))
    seen = authority().domains
    return [person.id for person in found if seen is None or may_see(person, seen)]


def _seen(bulk_id: int) -> BulkRun:
    """Load a run of one's own, or as an admin of the project anybody's."""
    run = by_id(BulkRun, bulk_id)
    if run is None:
        abort(404)
    if run.by_id != current_user.person.id and Role.PROJECT_ADMIN not in authority().roles:
        abort(404)
    return run  # type: ignore[no-any-return]


def _form(**said: object) -> str:
    runs = BulkRun.select(BulkRun, Person).join(Person)
    if Role.PROJECT_ADMIN not in authority().roles:
        runs = runs.where(BulkRun.by == current_user.person)
    return render(
        "admin/bulk.html",
        "admin/_bulk.html",
        found=slice_of(runs, BulkRun.id, after(), newest_first=True),
        bulk_actions=[one for one in Action if one.may(authority())],
        **said,
    )


def _run(bulk_id: int, **said: object) -> str:
    run = _seen(bulk_id)
    progress = use_cases.progress_of(run)
    follower = BulkRun.get_or_none(BulkRun.follows == run)
    ready = run.follows_id is None and run.finished_at is not None and follower is None
    return render(
        "admin/bulk_run.html",
        "admin/_bulk_run.html",
        run=run,
        progress=progress,
        found=use_cases.lines_of(run, after()),
        next_run=follower,
        may_start=ready and run.by_id == current_user.person.id and "done" in progress.outcomes,
        **said,
    )
