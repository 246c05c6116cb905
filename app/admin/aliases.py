"""What admins do to one address: suspend it, lift that, end it, release its name, move it."""

from collections.abc import Callable

from flask import abort, request, url_for
from flask_babel import gettext as _

from app.admin.blueprint import Page, actor, authority, blueprint, only_for
from app.admin.people import DECIDERS, card, done
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import settings
from app.navigation import go
from app.portal.blueprint import render, say
from app.presentation import told
from core import alias_admin
from core.alias_admin import AliasProblem
from core.database import utc_now
from core.eligibility import Decision
from core.models import Alias, Identity, Person, by_id
from core.ownership import NotYours
from core.queues import wake_outbox
from core.standing import decision_for

ALIAS = "/addresses/<int(max=2147483647):alias_id>"


@blueprint.post(f"{ALIAS}/hold")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.people")
def hold_address(alias_id: int) -> Page:
    """Suspend an address."""
    return _change(alias_id, alias_admin.hold, _("Suspended: its mail is refused."))


@blueprint.post(f"{ALIAS}/lift")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.people")
def lift_address(alias_id: int) -> Page:
    """Lift an admin's suspension."""
    return _change(alias_id, alias_admin.lift, _("The suspension is lifted."))


@blueprint.post(f"{ALIAS}/end")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.people")
def end_address(alias_id: int) -> Page:
    """End an address."""
    return _change(alias_id, alias_admin.end, _("Ended: its mail is refused. The name stays theirs."))


@blueprint.post(f"{ALIAS}/release")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.people")
def release_name(alias_id: int) -> Page:
    """Let a name go that is over, when it was typed as confirmation."""
    alias = _decided(alias_id)
    if not _is_confirmed(alias):
        sentence = _("Type the whole address to confirm that its name becomes free for anybody.")
        return _card_of(alias, release_error=sentence, release_id=alias.id), 422
    return _change(alias_id, alias_admin.release, _("The name is free."))


@blueprint.get(f"{ALIAS}/move")
@only_for(*DECIDERS)
def move(alias_id: int) -> Page:
    """Show the form that moves an address: first to whom, then their card and the confirmation."""
    return _move_page(_decided(alias_id), request.args.get("to", ""))


@blueprint.post(f"{ALIAS}/move")
@only_for(*DECIDERS)
@needs_fresh_sign_in("admin.move")
def move_address(alias_id: int) -> Page:
    """Move an address to the person who was shown, when it was typed as confirmation."""
    alias, to = _decided(alias_id), request.form.get("to", "")
    to_id = request.form.get("person", 0, int)
    if not _is_confirmed(alias):
        return _move_page(alias, to, error=_("Type the whole address to confirm the move.")), 422
    try:
        moved = alias_admin.move(actor(), alias_id, to_id, utc_now())
    except AliasProblem as error:
        return _move_page(alias, to, error=told(error)), 422
    wake_outbox(settings)
    say(_("The address was moved. Both are told."), on_next_page=True)
    return go(url_for("admin.person", person_id=moved.person_id))


def _decided(alias_id: int) -> Alias:
    """Load an address for which the signed-in admin may decide."""
    alias = by_id(Alias, alias_id) or abort(404)
    if not authority().decides(alias.domain_id):
        abort(403)
    return alias  # type: ignore[no-any-return]


def _is_confirmed(alias: Alias) -> bool:
    return request.form.get("confirm", "").strip().lower() == alias.text


def _change(alias_id: int, change: Callable[..., object], sentence: str) -> Page:
    alias = _decided(alias_id)
    try:
        change(actor(), alias_id, utc_now())
    except AliasProblem as error:
        return _card_of(alias, error=told(error)), 422
    except NotYours:
        abort(404)
    wake_outbox(settings)
    if alias.person_id is None:
        say(sentence, on_next_page=True)
        return go(url_for("admin.people"))
    return done(alias.person_id, sentence)


def _card_of(alias: Alias, **said: object) -> str:
    if alias.person_id is None:
        abort(409)
    return card(alias.person_id, **said)


def _move_page(alias: Alias, to: str, **said: object) -> str:
    target = Person.get_or_none(Person.launchpad_name == to.strip().lower()) if to.strip() else None
    identities = list(Identity.select().where(Identity.person == target)) if target is not None else []
    decision: Decision | None = decision_for(target, alias.domain, utc_now()) if target is not None else None
    return render(
        "admin/move.html",
        "admin/_move.html",
        alias=alias,
        to=to,
        target=target,
        identities=identities,
        decision=decision,
        **said,
    )
