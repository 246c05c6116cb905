"""Role addresses: made by admins, with several owners, and a view of who stands behind each."""

from flask import abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import READERS, Page, actor, after, authority, blueprint, newest_first, only_for
from app.admin.people import DECIDERS
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import alias_admin
from core import role_addresses as use_cases
from core.database import utc_now
from core.domains import find_domain
from core.models import Alias, Domain, Person, by_id
from core.queues import wake_outbox
from core.role_addresses import RoleAddressProblem

ADDRESS = "/role-addresses/<int(max=2147483647):alias_id>"


@blueprint.get("/role-addresses")
@only_for(*READERS)
def role_addresses() -> Page:
    """List them."""
    return _list()


@blueprint.post("/role-addresses")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.role_addresses")
def make_role_address() -> Page:
    """Make one, with the owners who were named."""
    typed = request.form
    domain = find_domain(typed.get("domain", "")) or abort(400)
    if not authority().decides(domain.id):
        abort(403)
    field = "owners"
    try:
        owners = [_person(name).id for name in typed.get("owners", "").split()]
        field = "name"
        alias = use_cases.make(actor(), domain, typed.get("name", ""), owners, utc_now())
    except RoleAddressProblem as error:
        return _list(error=told(error), field=field, typed=typed), 422
    wake_outbox(settings)
    say(_("The address is there. Its owners are told."), on_next_page=True)
    return go(url_for("admin.role_address", alias_id=alias.id))


@blueprint.get(ADDRESS)
@only_for(*READERS)
def role_address(alias_id: int) -> Page:
    """Show who stands behind one."""
    return _page(alias_id)


@blueprint.post(f"{ADDRESS}/owners")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.role_address")
def add_role_owner(alias_id: int) -> Page:
    """Add an owner by name."""
    _decided(alias_id)
    typed = request.form.get("owner", "")
    try:
        use_cases.add_owner(actor(), alias_id, _person(typed).id, utc_now())
    except RoleAddressProblem as error:
        return _page(alias_id, error=told(error), typed=typed), 422
    return _done(alias_id, _("The owner was added, and is told."))


@blueprint.post(f"{ADDRESS}/owners/<int(max=2147483647):person_id>/remove")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.role_address")
def remove_role_owner(alias_id: int, person_id: int) -> Page:
    """Take an owner out."""
    _decided(alias_id)
    use_cases.remove_owner(actor(), alias_id, person_id, utc_now())
    return _done(alias_id, _("The owner was taken out, and is told. The address goes on for the others."))


@blueprint.post(f"{ADDRESS}/end")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.role_address")
def end_role_address(alias_id: int) -> Page:
    """End one, when it was typed as confirmation."""
    alias = _decided(alias_id)
    if request.form.get("confirm", "").strip().lower() != alias.text:
        return _page(alias_id, end_error=_("Type the whole address to confirm that it ends.")), 422
    alias_admin.end(actor(), alias_id, utc_now())
    return _done(alias_id, _("Ended: its mail is refused."))


def _person(name: str) -> Person:
    """Find an owner by name; raises RoleAddressProblem."""
    name = name.strip().lower()
    found = Person.get_or_none(Person.launchpad_name == name) if name else None
    if found is None:
        raise RoleAddressProblem(_("Nobody named %(name)s has signed in here.", name=name or "–"))
    return found  # type: ignore[no-any-return]


def _seen(alias_id: int) -> Alias:
    alias = by_id(Alias, alias_id)
    if alias is None or not alias.shared or not authority().sees(alias.domain_id):
        abort(404)
    return alias  # type: ignore[no-any-return]


def _decided(alias_id: int) -> Alias:
    alias = _seen(alias_id)
    if not authority().decides(alias.domain_id):
        abort(403)
    return alias


def _done(alias_id: int, sentence: str) -> Page:
    wake_outbox(settings)
    say(sentence)
    return _page(alias_id, changed=True) if htmx else go(url_for("admin.role_address", alias_id=alias_id))


def _list(**said: object) -> str:
    newest = newest_first(by_default=False)
    found = use_cases.role_addresses(authority().domains, after(), newest_first=newest)
    domains = Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)
    return render(
        "admin/role_addresses.html",
        "admin/_role_addresses.html",
        found=found,
        newest=newest,
        owners=use_cases.count_owners(found.rows),
        domains=[domain for domain in domains if authority().decides(domain.id)],
        **said,
    )


def _page(alias_id: int, **said: object) -> str:
    alias = _seen(alias_id)
    return render(
        "admin/role_address.html",
        "admin/_role_address.html",
        alias=alias,
        owners=use_cases.owners_of(alias),
        may_decide=authority().decides(alias.domain_id) and alias.switch != "given-up",
        **said,
    )
