"""What the two DNS pages of a domain share: its admins' own, and the one that a link shows to anybody."""

from collections.abc import Mapping

from flask import render_template, request
from flask_babel import lazy_gettext as _

from app.extensions import htmx, settings
from core.database import utc_now
from core.dns_look import report_on
from core.dns_records import What, expected_records, zone_lines
from core.dns_report import Level
from core.models import Domain

LEVELS = {
    Level.ERROR: ("negative", _("Error"), _("Errors")),
    Level.WARNING: ("caution", _("Warning"), _("Warnings")),
    Level.RIGHT: ("positive", _("Right"), _("What is right")),
}
"""Colour, the word for one, and for all of them."""

KINDS = {
    What.PROOF: _("Proof of the domain"),
    What.EXCHANGER: _("Where mail goes"),
    What.SENDERS: _("Who may send (SPF)"),
    What.KEY: _("Signing key (DKIM, ARC)"),
    What.POLICY: _("Policy (DMARC)"),
    "addresses": _("The relay’s addresses"),
    "ptr": _("Back from address to name (PTR)"),
    "servers": _("Name servers"),
}
"""What a finding is about."""


def show_dns(page: str, row: Domain, urls: Mapping[str, str], *, look: bool = False) -> str:
    """Render the page `page`: what is expected, and with `look` beside it what DNS says.

    urls: where the form of the page goes (`check`), and where the zone file is (`zone`). The answers come
    round every cache when the form says `fresh`; network work.
    """
    now = utc_now()
    report = report_on(row.name, settings, now, fresh="fresh" in request.form) if look else None
    return render_template(
        "admin/_dns.html" if htmx else page,
        domain=row,
        report=report,
        expected=[record for record in expected_records(row.name, settings, now) if record.name],
        levels=list(Level),
        dns_words={"LEVELS": LEVELS, "KINDS": KINDS},
        urls=urls,
    )


def zone_file(row: Domain) -> tuple[str, int, dict[str, str]]:
    """Answer with a domain's records as a zone file."""
    text = "\n".join(zone_lines(row.name, settings, utc_now())) + "\n"
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{row.name}.zone"',
    }
    return text, 200, headers
