"""How often somebody may do what costs others something: mail, sign-ins, questions to Launchpad, requests.

Flask-Limiter counts in the broker, so that all processes count together; while the broker is gone, each
process counts for itself. A person is counted by their number, a stranger by a keyed hash of the network
address, which so comes onto no disk.
"""

import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask, Response, request
from flask_babel import format_timedelta
from flask_babel import gettext as _
from flask_limiter import Limiter, RateLimitExceeded
from flask_login import current_user
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.errors import ErrorPage, error_page
from app.extensions import settings
from core.database import utc_now
from core.secrets import derive_key, keyed_hash
from core.settings import Settings


def person() -> str | None:
    """Return who is signed in, as a key; nobody is counted where nobody may do anything."""
    return f"person:{current_user.person.id}" if current_user.is_authenticated else None


def visitor() -> str | None:
    """Return a key for where the browser is: its IPv4 address or IPv6 /64; None when nobody says.

    Addresses in X-Forwarded-For are believed from the right, as long as our own proxies wrote them.
    """
    trusted = [ipaddress.ip_network(network, strict=False) for network in settings.portal_proxies]
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    for hop in [request.remote_addr or "", *reversed(hops)]:
        try:
            address = ipaddress.ip_address(hop)
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in trusted):
            wide = f"{address}/64" if address.version == 6 else str(address)
            place = str(ipaddress.ip_network(wide, strict=False))
            return keyed_hash(derive_key(settings.secret_key, "visitors"), place)[:32]
    return None


class SteadyLimiter(Limiter):
    """Flask-Limiter with an answer for all requests that find the broker gone at the same time."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        try:
            super()._check_request_limit(callable_name, in_middleware)
        except RedisError:  # another one has found out meanwhile, and this process counts for itself now
            super()._check_request_limit(callable_name, in_middleware)


@dataclass(frozen=True)
class Limit:
    """So often, counted over all endpoints that share it."""

    scope: str
    amount: str
    by: Callable[[], str | None]


SIGN_IN = Limit("sign-in", "60 per minute", visitor)
"""Generous: a whole conference may sit behind one address."""
ANSWER = Limit("answer", "60 per minute", visitor)
MAIL = Limit("mail", "30 per hour; 100 per day", person)
CODE = Limit("code", "20 per hour", person)
DIRECTORY = Limit("directory", "10 per minute", person)
REQUESTS = Limit("requests", "10 per hour; 20 per day", person)
CHANGES = Limit("changes", "300 per hour", person)
"""Generous: each change leaves an entry in the history, and no more than that."""
EXPORT = Limit("export", "10 per hour", person)
DNS = Limit("dns", "20 per minute", visitor)
LOOKUP = Limit("lookup", "60 per minute", person)

LIMITS: Mapping[str, Limit] = {
    "auth.begin": SIGN_IN,
    "auth.take_posted_answer": ANSWER,
    "auth.answer": ANSWER,
    "auth.oidc_answer": ANSWER,
    "auth.send_code": MAIL,
    "auth.enter_code": CODE,
    "portal.check_again": DIRECTORY,
    "portal.check_domain": DIRECTORY,
    "portal.claim": MAIL,
    "portal.add_recipient": MAIL,
    "portal.replace_recipient": MAIL,
    "portal.remove_recipient": MAIL,
    "portal.resend": MAIL,
    "portal.send_test": MAIL,
    "portal.verify_now": MAIL,
    "portal.move_recipient": CHANGES,
    "portal.set_order": CHANGES,
    "portal.set_keeps_tag": CHANGES,
    "portal.set_label": CHANGES,
    "portal.switch": CHANGES,
    "portal.give_up": CHANGES,
    "portal.send_kept_code": MAIL,
    "portal.enter_kept_code": CODE,
    "portal.take_kept": CODE,
    "portal.add_role_recipient": MAIL,
    "portal.remove_role_recipient": MAIL,
    "portal.resend_role_proof": MAIL,
    "account.export": EXPORT,
    "account.delete": MAIL,
    "waivers.ask": REQUESTS,
    "waivers.withdraw": REQUESTS,
    "public.check_dns": DNS,
    "admin.check_dns": LOOKUP,
    "admin.check_proof": LOOKUP,
    "admin.lookup": LOOKUP,
    "admin.lookup_in_full": LOOKUP,
    "admin.check_person": LOOKUP,
    "admin.person_in_full": LOOKUP,
    "admin.become_first_admin": CODE,
}
"""By endpoint. A test holds that every endpoint that takes a form is here or in `FREE`."""

FREE = frozenset(
    {"auth.sign_out", "public.choose_language"}
    | {"account.choose_language", "account.choose_notices", "account.end_session", "account.end_sessions"}
    | {"admin.grant_waiver", "admin.refuse_waiver", "admin.end_waiver", "admin.audit_values"}
    | {"admin.add_domain", "admin.change_domain", "admin.remove_domain"}
    | {"admin.add_domain_admin", "admin.remove_domain_admin", "admin.make_dns_link", "admin.revoke_dns_link"}
    | {"admin.confirm_team", "admin.discard_team", "admin.confirm_accounts", "admin.discard_accounts"}
    | {"admin.grant_role", "admin.revoke_role", "admin.revoke_team_role"}
    | {"admin.retry_job", "admin.discard_job"}
    | {"admin.bring_list", "admin.approve_import", "admin.discard_import", "admin.look_again"}
    | {"admin.give_kept", "admin.drop_kept", "admin.release_name", "admin.move_address"}
    | {"admin.ban_person", "admin.unban_person", "admin.end_sessions_of_person"}
    | {"admin.hold_address", "admin.lift_address", "admin.end_address"}
    | {"admin.begin_bulk", "admin.start_bulk"}
    | {"admin.keep_name", "admin.let_name_go", "admin.accept_look_alike"}
    | {"admin.make_role_address", "admin.add_role_owner", "admin.remove_role_owner", "admin.end_role_address"}
)
"""Endpoints whose forms cost nobody else anything, and those of admins, who are trusted that far."""


def init_app(app: Flask, chosen: Settings) -> None:
    """Put the limits on the endpoints; after all of them are registered."""
    logging.getLogger("flask-limiter").setLevel(logging.ERROR)  # which names the keys
    limiter = SteadyLimiter(
        visitor,
        app=app,
        storage_uri=_storage(chosen.broker_url),
        storage_options={
            "socket_connect_timeout": 0.5,
            "socket_timeout": 0.5,
            "retry": Retry(NoBackoff(), 1),
        },
        in_memory_fallback_enabled=True,
    )
    for endpoint, limit in LIMITS.items():
        if endpoint in app.view_functions:
            decorate = limiter.shared_limit(
                limit.amount, limit.scope, key_func=limit.by, exempt_when=_is_unknown(limit)
            )
            app.view_functions[endpoint] = decorate(app.view_functions[endpoint])

    @app.errorhandler(RateLimitExceeded)
    def too_often(_error: RateLimitExceeded) -> Response:
        limit = limiter.current_limit
        seconds = max(1, int(limit.reset_at - utc_now().timestamp())) if limit else 60
        words = _("Nothing was changed. It can be done again in %(time)s.", time=format_timedelta(seconds))
        response = error_page(429, ErrorPage(_("That was too often"), words))
        response.headers["Retry-After"] = str(seconds)
        return response


def _is_unknown(limit: Limit) -> Callable[[], bool]:
    return lambda: limit.by() is None


def _storage(broker_url: str) -> str:
    """Write the broker's address as the `limits` package wants it."""
    return f"redis+{broker_url}" if broker_url.startswith("unix:") else broker_url
