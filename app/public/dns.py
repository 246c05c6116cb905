"""The DNS page of a domain for whoever has its link, such as the operator of its name servers."""

from flask import Response, abort, make_response, url_for

from app.dns import show_dns, zone_file
from app.extensions import settings
from app.public.routes import blueprint
from core.domain_admin import domain_of_link
from core.models import Domain

LINK = "/dns/<string(maxlength=60):token>"


@blueprint.get(LINK)
def dns_page(token: str) -> Response:
    """Show what DNS should have; what it has comes in when the page is there."""
    return _unlisted(show_dns("public/dns.html", _domain(token), _urls(token)))


@blueprint.post(LINK)
def check_dns(token: str) -> Response:
    """Show beside it what DNS has now."""
    return _unlisted(show_dns("public/dns.html", _domain(token), _urls(token), look=True))


@blueprint.get(f"{LINK}/zone")
def dns_zone(token: str) -> Response:
    """Send the expected records as a zone file."""
    return _unlisted(zone_file(_domain(token)))


def _unlisted(answer: object) -> Response:
    """Keep what a link shows out of search machines, wherever the link was left lying."""
    response = make_response(answer)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _domain(token: str) -> Domain:
    return domain_of_link(token, settings.secret_key) or abort(404)


def _urls(token: str) -> dict[str, str]:
    return {
        "check": url_for("public.check_dns", token=token),
        "zone": url_for("public.dns_zone", token=token),
    }
