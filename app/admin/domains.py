"""Domains: their list, adding one in one form, and the page of each."""

import re
from collections.abc import Callable

from flask import abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import READERS, Page, actor, authority, blueprint, only_for
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import directory, htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import domain_admin
from core.database import utc_now
from core.domain_admin import DomainProblem, TeamLook
from core.domain_proof import CLOSES_AFTER, check_domain, gives_out_names, has_working_admin
from core.domains import Rules, verification_record
from core.fresh import FORM_LASTS
from core.models import Domain, by_id
from core.queues import wake_outbox
from core.roles import Role
from core.translation import N_

DOMAIN = "/domains/<int(max=2147483647):domain_id>"
DECIDERS = (Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN)
LONGEST = 20_000  # characters of one field


@blueprint.get("/domains")
@only_for(*READERS)
def domains() -> Page:
    """List the domains that this admin sees; they are few."""
    rows = Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)
    seen = [(row, gives_out_names(row)) for row in rows if authority().sees(row.id)]
    return render("admin/domains.html", "admin/_domains.html", domains=seen)


@blueprint.get("/domains/new")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.new_domain")
def new_domain() -> Page:
    """Open the form for a new domain."""
    return _form(None, _typed_of(Rules(), []))


@blueprint.post("/domains/new")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.new_domain", within=FORM_LASTS)
def add_domain() -> Page:
    """Look the teams up, or add the domain."""
    typed = _typed()
    if typed["do"] == "look":
        return _form(None, typed, looks=_looks(typed))
    try:
        name, wanted = domain_admin.new_name(typed["name"], settings), _wanted(typed)
        looks = _looks(typed)
        _refuse_unknown_teams(looks)
        admins = domain_admin.identities_named(directory, _words(typed["admins"]), settings.identity_issuer)
        domain = domain_admin.add(actor(), name, wanted, admins, utc_now(), settings.admins)
    except DomainProblem as error:
        return _form(None, typed, error=told(error)), 422
    say(_("%(domain)s is added. Publish its record now.", domain=domain.name), on_next_page=True)
    return go(url_for("admin.domain", domain_id=domain.id))


@blueprint.get(DOMAIN)
@only_for(*READERS)
def domain(domain_id: int) -> Page:
    """Show a domain: its proof, its rules, its admins."""
    return _page(seen_domain(domain_id))


@blueprint.post(f"{DOMAIN}/check")
@only_for(*DECIDERS)
def check_proof(domain_id: int) -> Page:
    """Look for the domain's record now, at its own name servers too."""
    seen = check_domain(actor(), _decided(domain_id), settings, utc_now())
    wake_outbox(settings)
    return _page(seen_domain(domain_id), seen=seen)


@blueprint.get(f"{DOMAIN}/rules")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.domain_rules")
def domain_rules(domain_id: int) -> Page:
    """Open the form with the domain's rules."""
    row = _decided(domain_id)
    return _form(row, _typed_of(Rules.of(row), domain_admin.reserved_on(row)))


@blueprint.post(f"{DOMAIN}/rules")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.domain_rules", within=FORM_LASTS)
def change_domain(domain_id: int) -> Page:
    """Look the teams up, or change the rules."""
    row, typed = _decided(domain_id), _typed()
    if typed["do"] == "look":
        return _form(row, typed, looks=_looks(typed))
    try:
        wanted = _wanted(typed)
        new = set(wanted.rules.teams) - set(Rules.of(row).teams)
        _refuse_unknown_teams(domain_admin.look_up_teams(directory, sorted(new)))
    except DomainProblem as error:
        return _form(row, typed, error=told(error)), 422
    changed = domain_admin.change(actor(), row, wanted, utc_now())
    say(_("Changed.") if changed else _("Nothing was different."), on_next_page=True)
    return go(url_for("admin.domain", domain_id=row.id))


@blueprint.post(f"{DOMAIN}/admins")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.domain")
def add_domain_admin(domain_id: int) -> Page:
    """Make somebody who has signed in here an admin of the domain."""
    row, name = _decided(domain_id), request.form.get("admin", "").strip()

    def add() -> None:
        (identity,) = domain_admin.identities_named(directory, [name], settings.identity_issuer)
        domain_admin.add_admin(actor(), row, identity, utc_now())

    return _do(row, add, _("%(name)s is an admin of the domain now.", name=name))


@blueprint.post(f"{DOMAIN}/admins/<int(max=2147483647):admin_id>/remove")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.domain")
def remove_domain_admin(domain_id: int, admin_id: int) -> Page:
    """Take the role from an admin of the domain."""
    row = _decided(domain_id)
    if not domain_admin.remove_admin(actor(), row, admin_id, utc_now()):
        abort(404)
    return _do(row, lambda: None, _("Taken back."))


@blueprint.post(f"{DOMAIN}/link")
@only_for(*DECIDERS)
def make_dns_link(domain_id: int) -> Page:
    """Make the link that shows the DNS page without sign-in; an older one stops working."""
    row = _decided(domain_id)
    return _do(row, lambda: domain_admin.make_link(actor(), row, utc_now()), _("There is a new link."))


@blueprint.post(f"{DOMAIN}/link/revoke")
@only_for(*DECIDERS)
def revoke_dns_link(domain_id: int) -> Page:
    """Have that link work no more."""
    row = _decided(domain_id)
    return _do(row, lambda: domain_admin.revoke_link(actor(), row, utc_now()), _("The link works no more."))


@blueprint.post(f"{DOMAIN}/remove")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.domain")
def remove_domain(domain_id: int) -> Page:
    """Stop serving a domain whose name was typed."""
    row = _decided(domain_id)
    try:
        domain_admin.remove(actor(), row, request.form.get("name", ""), utc_now())
    except DomainProblem as error:
        return _page(row, error=told(error), at="remove"), 422
    say(_("%(domain)s is not served any more.", domain=row.name), on_next_page=True)
    return go(url_for("admin.domains"))


def seen_domain(domain_id: int) -> Domain:
    """Load a domain that this admin sees, or answer 404 as for one that is not there."""
    row: Domain | None = by_id(Domain, domain_id)
    return row if row is not None and row.removed_at is None and authority().sees(row.id) else abort(404)


def _decided(domain_id: int) -> Domain:
    """The same for one for which they may decide; 403 for one that they only see."""
    row = seen_domain(domain_id)
    return row if authority().decides(row.id) else abort(403)


def _do(row: Domain, change: Callable[[], object], done: str) -> Page:
    try:
        change()
    except DomainProblem as error:
        return _page(row, error=told(error), at="admins"), 422
    say(done)
    return _page(seen_domain(row.id)) if htmx else go(url_for("admin.domain", domain_id=row.id))


def _page(row: Domain, **said: object) -> str:
    link = domain_admin.link_token(row, settings.secret_key)
    return render(
        "admin/domain.html",
        "admin/_domain.html",
        domain=row,
        opens=gives_out_names(row),
        has_admin=has_working_admin(row, utc_now(), settings.admins),
        closes_at=row.proof_missing_since + CLOSES_AFTER if row.proof_missing_since else None,
        txt=verification_record(row, settings.verification_prefix),
        rules=Rules.of(row),
        reserved=domain_admin.reserved_on(row),
        addresses=domain_admin.addresses_on(row),
        most_counted=domain_admin.MOST_COUNTED,
        admins=domain_admin.admins_of(row),
        link=f"{settings.public_url}{url_for('public.dns_page', token=link)}" if link else None,
        decides=authority().decides(row.id),
        **said,
    )


# -- the form -------------------------------------------------------------------------------------


def _typed() -> dict[str, str]:
    names = ("do", "name", "teams", "coc", "way", "grace", "admins", "reserved", "dmarc")
    return {name: request.form.get(name, "")[:LONGEST] for name in names}


def _typed_of(rules: Rules, reserved: list[str]) -> dict[str, str]:
    """Return what would be typed for these rules."""
    return {
        "teams": "\n".join(rules.teams),
        "coc": "yes" if rules.coc_required else "",
        "way": "automatic" if rules.automatic else "claim",
        "grace": str(rules.grace_days),
        "reserved": "\n".join(reserved),
        "dmarc": rules.dmarc_policy or "",
    }


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _wanted(typed: dict[str, str]) -> domain_admin.Wanted:
    return domain_admin.wanted_of(
        _words(typed["teams"]),
        coc_required=bool(typed["coc"]),
        automatic=typed["way"] == "automatic",
        grace=typed["grace"].strip(),
        dmarc=typed["dmarc"],
        reserved=_words(typed["reserved"]),
    )


def _looks(typed: dict[str, str]) -> list[TeamLook]:
    teams = dict.fromkeys(_words(typed["teams"]))
    return domain_admin.look_up_teams(directory, list(teams)[: domain_admin.MOST_NAMES])


def _refuse_unknown_teams(looks: list[TeamLook]) -> None:
    """A team that is clearly not there is a mistake; one of which nothing is known now may be right."""
    for look in looks:
        if look.gone:
            raise DomainProblem(N_("There is no team named %(team)s."), team=look.team)


def _form(row: Domain | None, typed: dict[str, str], **said: object) -> str:
    return render(
        "admin/domain_form.html",
        "admin/_domain_form.html",
        domain=row,
        typed=typed,
        policies=domain_admin.POLICIES,
        most_grace=domain_admin.MOST_GRACE,
        **said,
    )
