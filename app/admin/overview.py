"""The first page: what waits for an admin."""

from flask import render_template

from app.admin.blueprint import READERS, Page, authority, blueprint, only_for
from app.extensions import settings
from core.admin_overview import waiting_for
from core.queues import failed_jobs


@blueprint.get("")
@only_for(*READERS)
def overview() -> Page:
    """Say what waits."""
    everything = authority().domains is None
    jobs = failed_jobs(settings) if everything else None
    return render_template("admin/overview.html", waiting=waiting_for(authority()), failed=jobs)
