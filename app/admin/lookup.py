"""What would happen now to mail for an address, step by step: `core.routing` itself answers."""

from flask import request
from flask_babel import gettext as _

from app.admin.blueprint import READERS, Page, actor, authority, blueprint, only_for
from app.extensions import settings
from app.portal.blueprint import render
from app.presentation import told
from core.addresses import AddressError, parse_address
from core.audit import record
from core.database import utc_now, write
from core.domains import find_domain, resolver_of
from core.roles import Role
from core.route_steps import Asked, hosts_of, route_with_steps, stored_aliases
from core.routing import Route


@blueprint.get("/lookup")
@only_for(*READERS)
def lookup() -> Page:
    """Answer for the address in the query; its mailboxes are masked."""
    return _lookup(request.args.get("address", ""))


@blueprint.post("/lookup")
@only_for(Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
def lookup_in_full() -> Page:
    """The same with the mailboxes in full; the record says who looked."""
    return _lookup(request.form.get("address", ""), in_full=True)


def _lookup(typed: str, *, in_full: bool = False) -> Page:
    if not typed.strip():
        return _page(typed)
    try:
        address = parse_address(typed)
    except AddressError as error:
        return _page(typed, error=told(error)), 422
    domain = find_domain(address.domain)
    seen = authority()
    own = domain is not None and seen.decides(domain.id)
    if (in_full and not own) or (seen.domains is not None and not own):
        return _page(typed, error=_("You are no admin of that domain.")), 403
    found, steps = route_with_steps(stored_aliases(), address, settings.ops_address, utc_now())
    if in_full and found.recipients:
        _write_down(found)
    # A smarthost asks DNS for itself.
    hosts = hosts_of(resolver_of(settings), found.recipients) if settings.smarthost is None else {}
    return _page(typed, found=found, steps=steps, hosts=hosts, in_full=in_full, may_ask=own)


def _write_down(found: Route) -> None:
    subjects = {"alias": found.alias_id} if found.alias_id is not None else {}
    with write():
        record(actor(), "mailboxes-shown", subjects, {"alias": found.alias}, utc_now())


def _page(typed: str, **answer: object) -> str:
    return render("admin/lookup.html", "admin/_lookup.html", typed=typed, Asked=Asked, **answer)
