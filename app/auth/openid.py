"""Ubuntu One by OpenID 2.0, stateless: asks one configured provider and believes no other.

What is checked, in this order: the answer's form, the endpoint and the claimed id (before anything
is fetched), then by python3-openid return_to, signature (by asking the provider) and discovery of
the claimed id, then our own nonce table (OpenID 2.0 §11).
"""

import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlsplit

import httpx
from openid.consumer.consumer import SUCCESS, Consumer, SuccessResponse
from openid.consumer.discover import OpenIDServiceEndpoint
from openid.extensions import ax, pape, sreg
from openid.fetchers import HTTPFetcher, HTTPFetchingError, HTTPResponse, setDefaultFetcher
from openid.message import OPENID2_NS
from openid.store.nonce import split as split_nonce

from app.auth.refusal import OpenIDRefused, Refusal
from core.directories import Deadline
from core.http import Fetcher
from core.openid_state import use_nonce
from core.people import SignIn
from core.settings import Settings

ACCOUNT_VERIFIED = "http://ns.login.ubuntu.com/2013/validation/account"
VERIFIED_BY_MAIL = "token_via_email"
MAX_ANSWER = 256 * 1024  # octets of a discovery document
SUFFIX = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass
class _Fetching:
    """What one sign-in may fetch, and whether the provider failed to answer."""

    origin: tuple[str, str]
    deadline: Deadline
    failed: bool = False


_fetcher = cache(Fetcher)
"""One set of connections a process, made at the first use."""
_fetching: ContextVar[_Fetching] = ContextVar("fetching")


class PinnedFetcher(HTTPFetcher):
    """Fetches from the configured provider alone, within the sign-in's time budget."""

    def fetch(
        self, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> HTTPResponse:
        """Fetch one document, following no redirect; raises HTTPFetchingError."""
        allowed = _fetching.get()
        if urlsplit(url)[:2] != allowed.origin:
            raise HTTPFetchingError("not the configured provider")
        try:
            response = _fetcher().fetch(
                url, allowed.deadline, most=MAX_ANSWER, content=body, headers=_headers(body, headers)
            )
        except httpx.HTTPError as error:
            allowed.failed = True
            raise HTTPFetchingError(f"no answer ({type(error).__name__})") from None
        allowed.failed |= response.status_code >= 500
        fields = {name.lower(): value for name, value in response.headers.items()}
        return HTTPResponse(url, response.status_code, fields, response.content)


def _headers(body: bytes | None, headers: dict[str, str] | None) -> dict[str, str]:
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    return {**form, **(headers or {})}


logging.getLogger("openid").setLevel(logging.CRITICAL)  # it would log what a visitor sends
setDefaultFetcher(PinnedFetcher(), wrap_exceptions=False)


def request_url(settings: Settings, return_to: str, *, fresh: bool = False) -> str:
    """Make the address at the provider that begins a sign-in; fetches nothing.

    fresh: ask the provider to authenticate the person anew (PAPE max_auth_age=0).
    """
    endpoint = OpenIDServiceEndpoint.fromOPEndpointURL(settings.openid_endpoint)
    ask = Consumer({}, None).beginWithoutDiscovery(endpoint)
    ask.addExtension(sreg.SRegRequest(required=["nickname", "email"], optional=["fullname", "language"]))
    attributes = ax.FetchRequest()
    attributes.add(ax.AttrInfo(ACCOUNT_VERIFIED, alias="account_verified", required=True))
    ask.addExtension(attributes)
    if fresh:
        ask.addExtension(pape.Request(max_auth_age=0))
    return str(ask.redirectURL(settings.public_url + "/", return_to))


def check_answer(
    settings: Settings, fields: dict[str, str], url: str, deadline: Deadline, now: datetime
) -> SignIn:
    """Check a provider's answer and return whom it proves.

    fields: the answer, each name once. url: the address it was sent to, as the browser asked for
    it. Raises OpenIDRefused.
    """
    _check_form(fields)
    _check_origin(settings, fields)
    provider = urlsplit(settings.openid_endpoint)
    fetching = _Fetching((provider.scheme, provider.netloc), deadline)
    token = _fetching.set(fetching)
    try:
        answer = Consumer({}, None).complete(fields, url)
    except HTTPFetchingError as error:
        raise OpenIDRefused(Refusal.NO_ANSWER, type(error).__name__) from None
    except (AssertionError, KeyError, TypeError, ValueError) as error:  # how the library refuses odd answers
        raise OpenIDRefused(Refusal.NOT_VALID, type(error).__name__) from None
    finally:
        _fetching.reset(token)
    if answer.status != SUCCESS:
        refusal = Refusal.NO_ANSWER if fetching.failed else Refusal.NOT_VALID
        raise OpenIDRefused(refusal, f"the library says {answer.status}")
    _check_nonce(settings, answer, now)
    return _signed_facts(settings, answer, now)


def _check_form(fields: dict[str, str]) -> None:
    """Take only a positive OpenID 2.0 answer; say calmly when the person cancelled."""
    mode = fields.get("openid.mode")
    if mode == "cancel":
        raise OpenIDRefused(Refusal.CANCELLED, "cancelled")
    if mode != "id_res" or fields.get("openid.ns") != OPENID2_NS:
        raise OpenIDRefused(Refusal.NOT_VALID, "no positive OpenID 2.0 answer")


def _check_origin(settings: Settings, fields: dict[str, str]) -> None:
    """Pin the endpoint and the claimed id, before any address from the answer is fetched."""
    if fields.get("openid.op_endpoint") != settings.openid_endpoint:
        raise OpenIDRefused(Refusal.NOT_VALID, "another endpoint")
    for name in ("openid.claimed_id", "openid.identity"):
        value = fields.get(name, "")
        suffix = value.removeprefix(settings.openid_claimed_id_prefix)
        if suffix == value or not SUFFIX.fullmatch(suffix):
            raise OpenIDRefused(Refusal.NOT_VALID, "a claimed id of another kind")


def _check_nonce(settings: Settings, answer: SuccessResponse, now: datetime) -> None:
    """Take the response nonce, once (OpenID 2.0 §11.3)."""
    nonce = answer.getSigned(OPENID2_NS, "response_nonce") or ""
    try:
        seconds, _salt = split_nonce(nonce)
    except ValueError:
        raise OpenIDRefused(Refusal.NOT_VALID, "a broken nonce") from None
    made_at = datetime.fromtimestamp(seconds, UTC)
    if len(nonce) > 200 or not use_nonce(f"{settings.openid_endpoint} {nonce}", made_at, now):
        raise OpenIDRefused(Refusal.NOT_VALID, "the answer was used before, or is too old")


def _signed_facts(settings: Settings, answer: SuccessResponse, now: datetime) -> SignIn:
    email = _signed(answer, sreg.ns_uri, "email")
    proven = settings.openid_email_proven or _account_verified(answer)
    return SignIn(
        issuer=settings.openid_provider_url,
        subject=str(answer.getSigned(OPENID2_NS, "claimed_id")),
        email=email,
        email_proven=email is not None and proven,
        display_name=_signed(answer, sreg.ns_uri, "fullname") or "",
        language=(_signed(answer, sreg.ns_uri, "language") or "")[:2].lower() or None,
        authenticated_at=_authenticated_at(answer, now),
    )


def _authenticated_at(answer: SuccessResponse, now: datetime) -> datetime:
    """Return when the password was given: as PAPE says (§5.2), which it does when asked; else now."""
    try:
        said = _signed(answer, pape.ns_uri, "auth_time") or ""
        return min(now, datetime.strptime(said, "%Y-%m-%dT%H:%M:%S%z"))
    except ValueError:
        return now


def _signed(answer: SuccessResponse, namespace: str, key: str) -> str | None:
    """Return a field when it and the declaration of its alias are signed; None as if absent."""
    alias = answer.message.namespaces.getAlias(namespace)
    if alias is None or f"openid.ns.{alias}" not in answer.signed_fields:
        return None
    value = answer.getSigned(namespace, key)
    return value if isinstance(value, str) else None


def _account_verified(answer: SuccessResponse) -> bool:
    """Whether the signed AX attribute says that the account's address was proven by mail."""
    alias = answer.message.namespaces.getAlias(ax.AXMessage.ns_uri)
    if alias is None or f"openid.ns.{alias}" not in answer.signed_fields:
        return False
    for key, value in answer.message.getArgs(ax.AXMessage.ns_uri).items():
        kind, _, name = key.partition(".")
        if kind == "type" and value == ACCOUNT_VERIFIED and _signed(answer, ax.AXMessage.ns_uri, key):
            given = [f"value.{name}", f"value.{name}.1"]
            return VERIFIED_BY_MAIL in [_signed(answer, ax.AXMessage.ns_uri, field) for field in given]
    return False
