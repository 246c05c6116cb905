"""Names of the directory that changed hands: the old owner and the newcomer side by side."""

from app.admin.blueprint import OF_THE_PROJECT, Page, after, blueprint, only_for
from app.portal.blueprint import render
from core.database import utc_now
from core.freed_names import freed_names


@blueprint.get("/freed-names")
@only_for(*OF_THE_PROJECT)
def freed() -> Page:
    """List them, the newest first."""
    return render("admin/freed.html", "admin/_freed.html", found=freed_names(after(), utc_now()))
