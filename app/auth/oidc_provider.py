"""The configured OpenID Connect provider: where it is asked what, and with which keys it signs.

Both are fetched when needed and kept for an hour by each process; keys are fetched anew as soon as
a signature does not fit the kept ones, since providers change them.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from app.auth.refusal import OpenIDRefused, Refusal
from core.directories import Deadline
from core.http import Fetcher

KEEP = 3600.0  # seconds
MAX_ANSWER = 256 * 1024  # octets
ALGORITHMS = ("RS256", "ES256")
MIN_RSA_BITS = 2048

fetcher = cache(Fetcher)
"""One set of connections a process, made at the first use."""


@dataclass(frozen=True)
class Provider:
    """What the discovery document says (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    token_auth_methods: tuple[str, ...]
    names_itself: bool
    """Whether each of its answers has an `iss` parameter (RFC 9207)."""


def no_answer(why: str) -> OpenIDRefused:
    """Return the exception for trouble that passes by itself."""
    return OpenIDRefused(Refusal.NO_ANSWER, why)


_providers: dict[str, tuple[float, Provider]] = {}
_keys: dict[str, tuple[float, KeySet]] = {}


def find_provider(issuer: str, deadline: Deadline) -> Provider:
    """Return what the issuer's discovery document says. Raises OpenIDRefused."""
    kept = _providers.get(issuer)
    if kept is None or kept[0] < time.monotonic():
        document = fetch_json(get_well_known_url(issuer, external=True), deadline)
        kept = _providers[issuer] = (time.monotonic() + KEEP, _read(issuer, document))
    return kept[1]


def keys_of(provider: Provider, deadline: Deadline, *, anew: bool = False) -> tuple[KeySet, bool]:
    """Return the provider's keys, and whether they were fetched just now. Raises OpenIDRefused."""
    kept = _keys.get(provider.jwks_uri)
    if kept is not None and not anew and kept[0] >= time.monotonic():
        return kept[1], False
    found = _usable(fetch_json(provider.jwks_uri, deadline).get("keys"))
    _keys[provider.jwks_uri] = (time.monotonic() + KEEP, found)
    return found, True


def fetch(
    url: str, deadline: Deadline, content: bytes | None = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send a GET, or a POST with content. Raises OpenIDRefused when there is no answer worth reading."""
    try:
        response = fetcher().fetch(url, deadline, most=MAX_ANSWER, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise no_answer(f"no answer ({type(error).__name__})") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise no_answer(f"status {response.status_code}")
    return response


def fetch_json(url: str, deadline: Deadline, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Fetch a JSON object. Raises OpenIDRefused."""
    response = fetch(url, deadline, headers={"Accept": "application/json", **(headers or {})})
    if response.status_code != 200:
        raise no_answer(f"status {response.status_code}")
    return json_object(response)


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Read an answer's JSON object. Raises OpenIDRefused."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise no_answer("the answer is no JSON object")
    return document


def _read(issuer: str, document: dict[str, Any]) -> Provider:
    if document.get("issuer") != issuer:  # Discovery 1.0 §4.3: else one issuer could speak for another
        raise no_answer("the discovery document is another issuer's")
    userinfo = document.get("userinfo_endpoint")
    methods = document.get("token_endpoint_auth_methods_supported")
    return Provider(
        issuer,
        _endpoint(issuer, document.get("authorization_endpoint")),
        _endpoint(issuer, document.get("token_endpoint")),
        _endpoint(issuer, document.get("jwks_uri")),
        None if userinfo is None else _endpoint(issuer, userinfo),
        tuple(methods) if isinstance(methods, list) else ("client_secret_basic",),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(issuer: str, url: object) -> str:
    """Take an address by https; by http only when the issuer is there, too (on loopback)."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        own = urlsplit(issuer)
        if parts.hostname and (parts.scheme == "https" or parts[:2] == own[:2]) and str(url).isprintable():
            return str(url)
    except ValueError:
        pass
    raise no_answer("the discovery document lacks an endpoint")


def _usable(keys: object) -> KeySet:
    """Take the public keys with which an ID token may be signed, and leave out all others."""
    found = [key for key in map(_key, keys if isinstance(keys, list) else []) if key is not None]
    if not found:
        raise no_answer("the provider publishes no key that can be used here")
    return KeySet(found)


def _key(data: object) -> RSAKey | ECKey | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    if data.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        return None
    try:
        if data.get("kty") == "EC" and data.get("crv") == "P-256":
            return ECKey.import_key(data)
        if data.get("kty") == "RSA":
            key = RSAKey.import_key(data)
            return key if key.public_key.key_size >= MIN_RSA_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        pass
    return None
