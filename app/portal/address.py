"""The page of one address: where its mail goes, what its owner chooses, and what happened to it."""

from collections.abc import Callable
from datetime import timedelta

from flask import abort, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import Page, blueprint, render, say
from app.presentation import told
from core import alias_settings, aliases, recipients
from core.alias_settings import LabelProblem
from core.database import utc_now
from core.delivery import refusals_of
from core.fresh import guards_mail
from core.history import history_of
from core.overview import AliasView, alias_views
from core.queues import wake_outbox
from core.recipients import RecipientProblem
from core.routing import Order, Switch

WITHIN = timedelta(hours=1)
"""Where mail goes, or that it is refused, is changed only so soon after a sign-in with the password: a
browser may be left open. Order, sub-addresses and label lead no mail away from the owner's own mailboxes."""

COUNTED = timedelta(days=30)
"""So far back refusals are counted."""

ADDRESS = "/addresses/<int(max=2147483647):alias_id>"
RECIPIENT = f"{ADDRESS}/recipients/<int(max=2147483647):recipient_id>"


def _guards_no_mail() -> bool:
    """Whether no mailbox of the person's is proven yet: putting one in is then no more than a claim is."""
    return not guards_mail(current_user.person)


def _switches_on() -> bool:
    return request.form.get("to") == Switch.ON.value


@blueprint.get(ADDRESS)
@login_required
def address(alias_id: int) -> Page:
    """Show one address."""
    return address_page(own_view(alias_id))


# -- where mail goes -------------------------------------------------------------------------------


@blueprint.post(f"{ADDRESS}/recipients")
@login_required
@needs_fresh_sign_in("portal.address", WITHIN, unless=_guards_no_mail)
def add_recipient(alias_id: int) -> Page:
    """Add a recipient; it gets a verification mail unless it is proven already."""
    view, text = own_view(alias_id), request.form.get("recipient", "")
    try:
        recipients.add_recipient(current_user.person.id, alias_id, text, utc_now())
    except RecipientProblem as error:
        return address_page(view, error=told(error), typed=text, status=422)
    wake_outbox(settings)
    return _changed(alias_id, "recipients", _("The mailbox was added."))


@blueprint.post(f"{RECIPIENT}/replace")
@login_required
@needs_fresh_sign_in("portal.address", WITHIN, unless=_guards_no_mail)
def replace_recipient(alias_id: int, recipient_id: int) -> Page:
    """Put another address in a recipient's place, here or on all one's addresses that use it."""
    view, text = own_view(alias_id), request.form.get("recipient", "")
    everywhere = request.form.get("where") == "everywhere"
    try:
        recipients.replace_recipient(
            current_user.person.id, alias_id, recipient_id, text, utc_now(), everywhere=everywhere
        )
    except RecipientProblem as error:
        said = {"change_error": told(error), "change_id": recipient_id, "change_typed": text}
        return address_page(view, **said, status=422)
    wake_outbox(settings)
    return _changed(alias_id, "recipients", _("The mailbox is being changed."))


@blueprint.post(f"{RECIPIENT}/remove")
@login_required
@needs_fresh_sign_in("portal.address", WITHIN)
def remove_recipient(alias_id: int, recipient_id: int) -> Page:
    """Take a recipient out."""
    view = own_view(alias_id)
    try:
        recipients.remove_recipient(current_user.person.id, alias_id, recipient_id, utc_now())
    except RecipientProblem as error:
        return address_page(view, early=told(error), early_id=recipient_id, status=429)
    wake_outbox(settings)
    return _changed(alias_id, "recipients", _("The mailbox was removed."))


@blueprint.post(f"{RECIPIENT}/move")
@login_required
def move_recipient(alias_id: int, recipient_id: int) -> Page:
    """Move a recipient one place up or down."""
    by = {"up": -1, "down": 1}.get(request.form.get("way", ""))
    if by is None:
        abort(400)
    own_view(alias_id)
    recipients.move(current_user.person.id, alias_id, recipient_id, by, utc_now())
    focus = f"recipient-{recipient_id}"
    return _changed(alias_id, focus, _("The mailbox was moved."))


@blueprint.post(f"{RECIPIENT}/resend")
@login_required
def resend(alias_id: int, recipient_id: int) -> Page:
    """Send the verification mail again."""
    view = own_view(alias_id)
    try:
        recipients.resend_proof(current_user.person.id, recipient_id, utc_now())
    except RecipientProblem as error:
        return address_page(view, early=told(error), early_id=recipient_id, status=429)
    wake_outbox(settings)
    return _changed(alias_id, f"recipient-{recipient_id}", _("The mail was sent again."))


# -- what the owner chooses ------------------------------------------------------------------------


@blueprint.post(f"{ADDRESS}/order")
@login_required
def set_order(alias_id: int) -> Page:
    """Deliver to all recipients, or to the first that takes it."""
    order = {one.value: one for one in Order}.get(request.form.get("order", ""))
    return _choose(alias_id, order, alias_settings.set_order, "order")


@blueprint.post(f"{ADDRESS}/sub-addresses")
@login_required
def set_keeps_tag(alias_id: int) -> Page:
    """Pass on what stands after a + in the address, or not."""
    keeps = {"on": True, "off": False}.get(request.form.get("to", ""))
    return _choose(alias_id, keeps, alias_settings.set_keeps_tag, "sub-addresses")


@blueprint.post(f"{ADDRESS}/switch")
@login_required
@needs_fresh_sign_in("portal.address", WITHIN, unless=_switches_on)
def switch(alias_id: int) -> Page:
    """Switch the address on or off."""
    wanted = {s.value: s for s in (Switch.ON, Switch.OFF_LATER, Switch.OFF_REFUSED)}
    return _choose(alias_id, wanted.get(request.form.get("to", "")), aliases.switch, "switch")


@blueprint.post(f"{ADDRESS}/label")
@login_required
def set_label(alias_id: int) -> Page:
    """Give the address a label of one's own."""
    view, text = own_view(alias_id), request.form.get("label", "")
    try:
        alias_settings.set_label(current_user.person.id, alias_id, text, utc_now())
    except LabelProblem as error:
        return address_page(view, label_error=told(error), label_typed=text, status=422)
    return _changed(alias_id, "label", _("Saved."))


@blueprint.post(f"{ADDRESS}/give-up")
@login_required
@needs_fresh_sign_in("portal.address", WITHIN)
def give_up(alias_id: int) -> Page:
    """Give the address up, when its name was typed as confirmation."""
    view = own_view(alias_id)
    if request.form.get("confirm", "").strip().lower() != view.alias.text:
        sentence = _("Type the whole address to confirm that you give it up.")
        return address_page(view, give_up_error=sentence, status=422)
    aliases.give_up(current_user.person.id, alias_id, utc_now())
    say(_("You gave the address up. Its mail is refused from now on."), on_next_page=True)
    return go(url_for("portal.home"))


def _choose(alias_id: int, choice: object, change: Callable[..., object], focus: str) -> Page:
    """Make a choice that the form offers; None stands for one that it does not."""
    own_view(alias_id)
    if choice is None:
        abort(400)
    change(current_user.person.id, alias_id, choice, utc_now())
    return _changed(alias_id, focus, _("Saved."))


# -- the page --------------------------------------------------------------------------------------


def own_view(alias_id: int) -> AliasView:
    """Load one's own address, or answer 404 as for one that is not there."""
    views = alias_views(current_user.person, utc_now(), alias_id)
    return views[0] if views else abort(404)


def address_page(view: AliasView, status: int = 200, **said: object) -> tuple[str, int]:
    """Render the address page, or with HTMX its changing part.

    said: what the templates show beside a field: `error` and what was `typed` as a recipient, `early`
    for the recipient `early_id`, `give_up_error` and so on; and `focus`, the id of what changed.
    """
    context = {
        "view": view,
        "uses": _uses(view),
        "refusals": refusals_of(view.recipients, (utc_now() - COUNTED).date()),
        "history": history_of(view.alias),
        **said,
    }
    return render("portal/address.html", "portal/_address.html", **context), status


def _uses(view: AliasView) -> dict[int, list[str]]:
    """Return which other addresses of the person use each recipient of this one."""
    others = [one for one in alias_views(current_user.person, utc_now()) if one.alias.id != view.alias.id]
    return {
        recipient.id: [other.alias.text for other in others if recipient in other.recipients]
        for recipient in view.recipients
    }


def _changed(alias_id: int, focus: str, sentence: str) -> Page:
    """Show an address after a change, and say what was done; the focus goes where the change is."""
    say(sentence)
    if htmx:
        return address_page(own_view(alias_id), focus=focus)
    return go(url_for("portal.address", alias_id=alias_id, _anchor=focus))
