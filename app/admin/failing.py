"""The mailboxes that refuse mail, with their age."""

from app.admin.blueprint import READERS, Page, after, authority, blueprint, newest_first, only_for
from app.portal.blueprint import render
from core.failing import addresses_behind, failing_recipients


@blueprint.get("/failing")
@only_for(*READERS)
def failing() -> Page:
    """List them; masked, since the card of a person shows them in full."""
    seen = authority().domains
    newest = newest_first(by_default=False)
    found = failing_recipients(seen, after(), newest_first=newest)
    behind = addresses_behind(found.rows, seen)
    return render("admin/failing.html", "admin/_failing.html", found=found, behind=behind, newest=newest)
