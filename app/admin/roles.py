"""Who may administer what: roles by the settings, by a team of the directory, and given here."""

from flask import request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import OF_THE_PROJECT, Page, actor, blueprint, only_for
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import roles as use_cases
from core.database import utc_now
from core.domains import find_domain
from core.models import Domain, Identity, by_id
from core.roles import Role, RoleProblem


@blueprint.get("/roles")
@only_for(*OF_THE_PROJECT)
def roles() -> Page:
    """List all roles; with a name or an identity in the address, offer to give it one."""
    return _lists()


@blueprint.post("/roles")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.roles")
def grant_role() -> Page:
    """Give the identity that was found a role."""
    identity = by_id(Identity, request.form.get("identity", 0, int))
    role, name = request.form.get("role", ""), request.form.get("domain", "")
    if identity is None or role not in list(Role):
        return _lists(error=_("Choose somebody and a role.")), 422
    domain = find_domain(name) if role == Role.DOMAIN_ADMIN else None
    try:
        new = use_cases.grant(actor(), identity.issuer, identity.subject, Role(role), domain, utc_now())
    except RoleProblem as error:
        return _lists(error=told(error)), 422
    return _done(_("The role is given.") if new else _("They had this role already."))


@blueprint.post("/roles/<int(max=2147483647):grant_id>/revoke")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.roles")
def revoke_role(grant_id: int) -> Page:
    """Take a role that was given to an identity."""
    return _taken(use_cases.revoke(actor(), grant_id, utc_now()))


@blueprint.post("/roles/teams/<int(max=2147483647):role_team_id>/revoke")
@only_for(Role.PROJECT_ADMIN)
@needs_fresh_sign_in("admin.roles")
def revoke_team_role(role_team_id: int) -> Page:
    """Take a role from a team."""
    return _taken(use_cases.revoke_from_team(actor(), role_team_id, utc_now()))


def _taken(done: bool) -> Page:
    return _done(_("The role is taken.")) if done else (_lists(error=_("That role is gone already.")), 409)


def _done(said: str) -> Page:
    say(said)
    return _lists(decided=said) if htmx else go(url_for("admin.roles"))


def _lists(**said: object) -> str:
    who, given = request.args.get("who", "").strip(), use_cases.grants()
    return render(
        "admin/roles.html",
        "admin/_roles.html",
        who=who,
        candidates=use_cases.candidates(who, settings.identity_issuer) if who else [],
        grants=given,
        people=use_cases.people_behind(given),
        team_grants=use_cases.team_grants(),
        configured=settings.admins,
        domains=list(Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name)),
        **said,
    )
