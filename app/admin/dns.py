"""The DNS page of a domain for its admins, and its zone file."""

from flask import url_for

from app.admin.blueprint import READERS, Page, blueprint, only_for
from app.admin.domains import DOMAIN, seen_domain
from app.dns import show_dns, zone_file


@blueprint.get(f"{DOMAIN}/dns")
@only_for(*READERS)
def dns(domain_id: int) -> Page:
    """Show what DNS should have; what it has comes in when the page is there."""
    return show_dns("admin/dns.html", seen_domain(domain_id), _urls(domain_id))


@blueprint.post(f"{DOMAIN}/dns")
@only_for(*READERS)
def check_dns(domain_id: int) -> Page:
    """Show beside it what DNS has now."""
    return show_dns("admin/dns.html", seen_domain(domain_id), _urls(domain_id), look=True)


@blueprint.get(f"{DOMAIN}/zone")
@only_for(*READERS)
def dns_zone(domain_id: int) -> tuple[str, int, dict[str, str]]:
    """Send the expected records as a zone file."""
    return zone_file(seen_domain(domain_id))


def _urls(domain_id: int) -> dict[str, str]:
    return {
        "check": url_for("admin.check_dns", domain_id=domain_id),
        "zone": url_for("admin.dns_zone", domain_id=domain_id),
    }
