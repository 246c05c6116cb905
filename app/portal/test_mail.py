"""The test mail of the address page: sent along the whole path, each real step shown while it is made."""

from flask import request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.extensions import htmx, settings
from app.navigation import go
from app.portal import run
from app.portal.address import address_page, own_view
from app.portal.blueprint import Page, blueprint, part, say
from app.portal.words import OUTCOMES, RESULTS, STAGES
from core.database import utc_now
from core.overview import AliasView
from core.submission import ACCEPTED, Outcome, Step
from core.testmail import TooSoon, begin_test

POLLS = 100
"""How often the page asks for the next steps: every second at first, then every three."""


@blueprint.post("/addresses/<int(max=2147483647):alias_id>/test")
@login_required
def send_test(alias_id: int) -> Page:
    """Send a test mail to one's own address."""
    view, person_id = own_view(alias_id), current_user.person.id
    try:
        letter = begin_test(person_id, alias_id, settings, utc_now())
        run_id = run.start(settings, person_id, alias_id, letter)
    except TooSoon:
        refused = _("You sent one less than a minute ago. Wait a moment, then send the next.")
    except run.Busy:
        refused = _("Many people are sending test mails just now. Try again in a minute.")
    else:
        if not htmx:
            return go(url_for("portal.test_progress", alias_id=alias_id, run_id=run_id, _anchor="test-mail"))
        say(_("The test mail is on its way."))
        return _progress(view, run_id)
    if htmx:
        return part("portal/_test_mail.html", view=view, test_refused=refused), 429
    return address_page(view, test_refused=refused, status=429)


@blueprint.get("/addresses/<int(max=2147483647):alias_id>/test/<run_id>")
@login_required
def test_progress(alias_id: int, run_id: str) -> Page:
    """Show how far a test mail has come; the page polls this, with an end."""
    view = own_view(alias_id)
    return _progress(view, run_id, polls=request.args.get("polls", 0, int))


def _progress(view: AliasView, run_id: str, polls: int | None = None) -> Page:
    """Render the test mail's part of the page, its steps alone when HTMX polls, or without HTMX all of it."""
    progress = run.look(settings, run_id, current_user.person.id, view.alias.id)
    steps = progress.steps if progress else []
    context = {
        "heard": 0 if polls is None else len(steps),
        "run_id": run_id,
        "progress": progress,
        "polls": (polls or 0) + 1,
        "waiting": progress is not None and progress.outcome is None and (polls or 0) < POLLS,
    }
    if not htmx:
        return address_page(view, **context)
    if progress is None:
        say(_("Its steps are no longer here: they are kept nowhere. Look into your mailbox."))
    elif polls is not None or progress.outcome is not None:
        say(_spoken(steps[request.args.get("heard", 0, int) :], progress.outcome, polls or 0))
    name = "portal/_test_mail.html" if polls is None else "portal/_test_steps.html"
    return part(name, view=view, **context)


def _spoken(steps: list[Step], outcome: Outcome | None, polls: int) -> str:
    """Put into words what is new, for those who hear the page: a sentence a mail server, and the end."""
    sentences = [_("It was accepted by us.")] if ACCEPTED in steps else []
    for address in dict.fromkeys(step.recipient for step in steps if step.recipient):
        own = [step for step in steps if step.recipient == address]
        made = [str(STAGES[step.stage]) for step in own if step.stage in STAGES]
        made += [str(RESULTS[step.words.split(" ")[0]][1]) for step in own if step.stage == "result"]
        if made:
            sentences.append(f"{address}: {', '.join(made)}.")
    if outcome is not None:
        sentences.append(OUTCOMES[outcome])
    elif polls >= POLLS:
        sentences.append(_("It is still on its way."))
    return " ".join(map(str, sentences))
