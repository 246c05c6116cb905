"""Names that are kept back: the words of our own, what admins added, and addresses that look like one."""

from flask import abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import READERS, Page, actor, after, authority, blueprint, only_for
from app.extensions import htmx
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import kept_names
from core.database import utc_now
from core.domains import find_domain
from core.kept_names import NameProblem
from core.models import Alias, Domain, ReservedName, by_id
from core.reserved import WORDS
from core.roles import Role

NAME = "/names/<int(max=2147483647):name_id>"
LOOK_ALIKE = "/names/look-alikes/<int(max=2147483647):alias_id>"


@blueprint.get("/names")
@only_for(*READERS)
def names() -> Page:
    """List the names that are kept back."""
    return _names()


@blueprint.post("/names")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
def keep_name() -> Page:
    """Keep another name back, on one domain or, as an admin of the project, on all."""
    chosen, typed = request.form.get("domain", ""), request.form.get("name", "")
    domain = find_domain(chosen) if chosen else None
    if chosen and domain is None:
        abort(400)
    _may_decide(domain.id if domain is not None else None)
    try:
        kept_names.keep_back(actor(), domain, typed, utc_now())
    except NameProblem as error:
        return _names(error=told(error), typed=typed, chosen=chosen), 422
    return _done(_("The name is kept back. Whoever has it already keeps it."))


@blueprint.post(f"{NAME}/let-go")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
def let_name_go(name_id: int) -> Page:
    """Stop keeping a name back."""
    row = by_id(ReservedName, name_id)
    if row is not None:
        _may_decide(row.domain_id)
        kept_names.let_go(actor(), name_id, utc_now())
    return _done(_("The name is not kept back any more."))


@blueprint.get("/names/look-alikes")
@only_for(*READERS)
def look_alikes() -> Page:
    """List the addresses that look like a name that is kept back."""
    return _look_alikes()


@blueprint.post(f"{LOOK_ALIKE}/accept")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
def accept_look_alike(alias_id: int) -> Page:
    """Take an address off that list."""
    alias = by_id(Alias, alias_id) or abort(404)
    _may_decide(alias.domain_id)
    if not kept_names.accept_look_alike(actor(), alias_id, utc_now()):
        return _look_alikes(error=_("Somebody else has done that already.")), 409
    say(_("It is off the list."))
    return _look_alikes() if htmx else go(url_for("admin.look_alikes"))


def _may_decide(domain_id: int | None) -> None:
    """Let an admin of the domain go on; for all domains (None) only one of the project."""
    may = Role.PROJECT_ADMIN in authority().roles if domain_id is None else authority().decides(domain_id)
    if not may:
        abort(403)


def _done(sentence: str) -> Page:
    say(sentence)
    return _names() if htmx else go(url_for("admin.names"))


def _names(**said: object) -> str:
    seen = authority().domains
    domains = Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)
    return render(
        "admin/names.html",
        "admin/_names.html",
        words=WORDS,
        found=kept_names.kept_names(seen, after()),
        domains=[domain for domain in domains if authority().decides(domain.id)],
        everywhere=Role.PROJECT_ADMIN in authority().roles,
        **said,
    )


def _look_alikes(**said: object) -> str:
    found = kept_names.look_alikes(authority().domains, after())
    return render("admin/look_alikes.html", "admin/_look_alikes.html", found=found, **said)
