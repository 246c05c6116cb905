"""The link with which the operator makes the first admin (`waypost init`)."""

from flask import render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.admin.blueprint import Page, blueprint
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import settings
from app.navigation import go
from app.portal.blueprint import say
from core.database import utc_now
from core.first_admin import LinkRefused, is_good, use_link

FIRST = "/first/<token>"


@blueprint.get(FIRST)
@login_required
def first_admin(token: str) -> Page:
    """Say what the link does, and offer it."""
    return _page(token) if is_good(token, utc_now()) else _refused()


@blueprint.post(FIRST)
@login_required
@needs_fresh_sign_in("admin.first_admin")
def become_first_admin(token: str) -> Page:
    """Make the person who is signed in an admin of the project."""
    try:
        use_link(current_user.person.id, token, settings.identity_issuer, utc_now())
    except LinkRefused:
        return _refused()
    say(_("You are an admin of the project now."), on_next_page=True)
    return go(url_for("admin.overview"))


def _page(token: str) -> str:
    return render_template("admin/first_admin.html", token=token)


def _refused() -> Page:
    return render_template("admin/first_admin.html", token=None), 404
