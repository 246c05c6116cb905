"""What the admins' pages share: their blueprint, and `only_for`, which says who may open each of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, abort, g, request
from flask_babel import lazy_gettext as _
from flask_login import current_user, login_required
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.admin import words
from app.extensions import settings
from app.navigation import current_page, is_signed_in, know_admin, safe_next
from core.audit import Actor
from core.database import utc_now
from core.models import MOST_ID
from core.roles import Authority, Role, authority_of

Page = Response | str | tuple[str, int]
View = Callable[..., Any]

READERS = (Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN, Role.AUDITOR)
OF_THE_PROJECT = (Role.PROJECT_ADMIN, Role.AUDITOR)
OF_POLLING = ("seen",)
"""What the address of a part asks for that is fetched again and again, and not its page."""

MENU = (
    ("admin.overview", _("What waits"), READERS),
    ("admin.waivers", _("Waivers"), READERS),
    ("admin.domains", _("Domains"), READERS),
    ("admin.people", _("People"), READERS),
    ("admin.role_addresses", _("Role addresses"), READERS),
    ("admin.names", _("Reserved names"), READERS),
    ("admin.held", _("Held readings"), OF_THE_PROJECT),
    ("admin.freed", _("Freed names"), OF_THE_PROJECT),
    ("admin.lookup", _("Address lookup"), READERS),
    ("admin.jobs", _("Jobs and problems"), OF_THE_PROJECT),
    ("admin.roles", _("Roles"), OF_THE_PROJECT),
    ("admin.imports", _("Import"), OF_THE_PROJECT),
    ("admin.waiting", _("Waiting for their owners"), OF_THE_PROJECT),
    ("admin.audit", _("Record"), OF_THE_PROJECT),
)
"""The pages that the navigation shows, and to whom."""

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


def only_for(*roles: Role) -> Callable[[View], View]:
    """Let a view run for a signed-in person with one of these roles; 403 for others.

    Of what domain a thing is, the view itself asks `authority()`. Goes right below the route.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @login_required
        def guarded(*args: Any, **kwargs: Any) -> Any:
            know_admin(bool(authority().roles))
            if not authority().roles & set(roles):
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return decorate


def authority() -> Authority:
    """Return what the signed-in person may do as an admin; asks the database once a request."""
    if "authority" not in g:
        known = is_signed_in()
        g.authority = authority_of(current_user.person, settings.admins, utc_now()) if known else Authority()
    return g.authority


def actor() -> Actor:
    """Who acts, for the record."""
    return Actor.person(current_user.person.id)


def after() -> int | None:
    """Return the key after which the page that was asked for begins; None for what can be none."""
    key = filters().get("after", None, int)
    return key if key is not None and 0 < key < MOST_ID else None


@blueprint.context_processor
def helpers() -> dict[str, object]:
    """Give the admins' templates their words, what the person may do, and the address of a next page."""
    return {
        "admin_words": words,
        "admin_pages": admin_pages,
        "authority": authority(),
        "filters": filters(),
        "next_page": next_page,
        "sorted_page": sorted_page,
    }


def admin_pages() -> list[tuple[str, str]]:
    """Return the pages that the signed-in person may open, with their names."""
    roles = authority().roles
    return [(endpoint, str(name)) for endpoint, name, readers in MENU if roles & set(readers)]


def filters() -> MultiDict[str, str]:
    """Return what the address of the open page asks for; an action in it (HTMX) leaves that as it is."""
    if request.method == "GET":
        return request.args
    if "filters" not in g:
        opened = urlsplit(current_page() or "")
        g.filters = MultiDict(parse_qsl(opened.query if opened.path == _path() else ""))
    return g.filters  # type: ignore[no-any-return]


def newest_first(*, by_default: bool) -> bool:
    """Whether the table is wanted with the newest row first, as the address says."""
    order = filters().get("sort")
    return order == "newest" if order in ("newest", "oldest") else by_default


def next_page(key: int | None) -> str:
    """Return the address of the page that goes on after a key, with the same filters; None: of the first."""
    return _this_page(after=key)


def sorted_page(order: str) -> str:
    """Return the address of the first page in another order, with the same filters."""
    return _this_page(sort=order, after=None)


def _this_page(**other: object) -> str:
    values = {name: text for name, text in filters().items() if text and name not in OF_POLLING} | other
    query = urlencode({name: value for name, value in values.items() if value is not None})
    return f"{_path()}?{query}" if query else _path()


def _path() -> str:
    """Return the path of the open page; the address of an action begins with that of its page."""
    path = request.path
    while request.method != "GET" and path and safe_next(path) is None:
        path = path.rpartition("/")[0]
    return path
