"""The record: its entries by filters, what one says, and all of it as a file."""

from flask import Response, abort, request, stream_with_context

from app.admin.blueprint import OF_THE_PROJECT, Page, actor, after, blueprint, newest_first, only_for
from app.portal.blueprint import render
from core.audit import head
from core.database import utc_now
from core.history import actor_names
from core.models import AuditEntry
from core.record_reading import EntryFilter, all_entries, find_entries, show_values, subjects_of

ENTRY = "/audit/<int(max=2147483647):entry_id>"


@blueprint.get("/audit")
@only_for(*OF_THE_PROJECT)
def audit() -> Page:
    """List entries, found by the filters in the address; without what was personal in them."""
    fields = request.args
    number, typed = fields.get("number", None, int), fields.get("number", "").strip()
    wanted = EntryFilter(
        verb=fields.get("verb", "").strip(),
        actor=fields.get("actor", "").strip(),
        subject=fields.get("subject", "").strip(),
        number=number if number is not None and 0 < number < 2**31 else None,
    )
    newest = newest_first(by_default=True)
    found = find_entries(wanted, after(), newest_first=newest)
    return render(
        "admin/audit.html",
        "admin/_audit.html",
        found=found,
        newest=newest,
        wanted=wanted,
        number=typed,
        half=bool(wanted.subject or typed) and not (wanted.subject and wanted.number),
        names=actor_names({entry.actor for entry in found.rows}),
        subjects_of=subjects_of,
        head=head(),
    )


@blueprint.get(ENTRY)
@only_for(*OF_THE_PROJECT)
def audit_entry(entry_id: int) -> Page:
    """Show one entry, without what was personal in it."""
    return _entry(entry_id)


@blueprint.post(f"{ENTRY}/values")
@only_for(*OF_THE_PROJECT)
def audit_values(entry_id: int) -> Page:
    """Show one entry with what was personal in it; the record says who looked."""
    entry = AuditEntry.get_or_none(AuditEntry.id == entry_id) or abort(404)
    return _entry(entry_id, asked=True, values=show_values(actor(), entry, utc_now()))


@blueprint.get("/audit.jsonl")
@only_for(*OF_THE_PROJECT)
def audit_export() -> Response:
    """Give out the whole record as lines of JSON, without what was personal."""
    lines = stream_with_context(all_entries(personal=False))
    name = f"record-{utc_now():%Y-%m-%d}.jsonl"
    response = Response(lines, mimetype="application/jsonl")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _entry(entry_id: int, **said: object) -> str:
    entry = AuditEntry.get_or_none(AuditEntry.id == entry_id) or abort(404)
    context = {"entry": entry, "names": actor_names({entry.actor}), "subjects_of": subjects_of, **said}
    return render("admin/audit_entry.html", "admin/_audit_entry.html", **context)
