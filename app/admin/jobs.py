"""The work in the background: failed jobs, readings of teams, problems, and mail of ours that failed."""

from flask import request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import OF_THE_PROJECT, Page, actor, after, blueprint, newest_first, only_for
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from core import job_report
from core.database import utc_now
from core.queues import failed_jobs
from core.roles import Role


@blueprint.get("/jobs")
@only_for(*OF_THE_PROJECT)
def jobs() -> Page:
    """Show it all; the mails of ours page by page."""
    return _report()


@blueprint.post("/jobs/retry")
@only_for(Role.PROJECT_ADMIN)
def retry_job() -> Page:
    """Queue a failed job once more."""
    return _decide(job_report.retry_job(actor(), settings, _name(), utc_now()), _("It is tried again."))


@blueprint.post("/jobs/discard")
@only_for(Role.PROJECT_ADMIN)
def discard_job() -> Page:
    """Forget a failed job."""
    return _decide(job_report.discard_job(actor(), settings, _name(), utc_now()), _("Discarded."))


def _name() -> str:
    return request.form.get("job", "")


def _decide(done: bool, said: str) -> Page:
    if not done:
        return _report(error=_("Nothing was changed: that job is gone, or the broker does not answer.")), 409
    say(said)
    return _report(decided=said) if htmx else go(url_for("admin.jobs"))


def _report(**said: object) -> str:
    now, newest = utc_now(), newest_first(by_default=True)
    return render(
        "admin/jobs.html",
        "admin/_jobs.html",
        failed=failed_jobs(settings),
        teams=job_report.team_states(now),
        problems=job_report.problem_groups(),
        found=job_report.failed_notices(after(), newest_first=newest),
        newest=newest,
        **said,
    )
