"""OpenID Connect: the authorization code flow with PKCE, with one configured provider.

Authlib makes the requests and knows the claims, joserfc the signature; everything is fetched by our
own fetcher, so that a sign-in keeps its time budget. What is checked, in this order: the answer's
form and issuer (RFC 9207), that this sign-in was not used before, the code with its PKCE verifier
(by the provider, RFC 7636), then the ID token's signature, issuer, audience, times and nonce
(OpenID Connect Core 1.0 §3.1.3.7).

Nonce and PKCE verifier are keyed hashes of the state, which this browser's cookie holds: nothing
else has to be kept until the answer comes.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.auth.oidc_provider import (
    ALGORITHMS,
    Provider,
    fetch,
    fetch_json,
    find_provider,
    json_object,
    keys_of,
    no_answer,
)
from app.auth.refusal import OpenIDRefused, Refusal
from core.directories import Deadline
from core.openid_state import use_nonce
from core.people import SignIn
from core.secrets import derive_key, keyed_hash
from core.settings import Settings

SCOPE = "openid email profile"
SKEW = 120  # seconds that the provider's clock may differ from ours
MAX_SUBJECT = 255  # ASCII characters, OpenID Connect Core 1.0 §2
PASSING = frozenset({"temporarily_unavailable", "server_error"})
OURS = frozenset(
    "invalid_request invalid_client unauthorized_client unsupported_response_type invalid_scope "
    "unsupported_grant_type".split()
)
"""Errors that speak of how this portal is set up there (RFC 6749 §4.1.2.1, §5.2)."""
CODE = re.compile(r"[a-z_]{1,40}")


def request_url(settings: Settings, state: str, deadline: Deadline, *, fresh: bool = False) -> str:
    """Make the address at the provider that begins a sign-in.

    fresh: have the provider ask for the password anew. Raises OpenIDRefused.
    """
    provider = find_provider(_issuer(settings), deadline)
    anew = {"prompt": "login", "max_age": "0"} if fresh else {}
    url, _ = _client(settings, provider, deadline).create_authorization_url(
        provider.authorization_endpoint,
        state=state,
        code_verifier=_of_state(settings, "verifier", state),
        nonce=_of_state(settings, "nonce", state),
        **anew,
    )
    return str(url)


def check_answer(
    settings: Settings,
    fields: Mapping[str, str],
    state: str,
    deadline: Deadline,
    now: datetime,
) -> SignIn:
    """Check a provider's answer and return whom it proves.

    fields: the answer, each name once. state: of a sign-in begun in this browser. Raises
    OpenIDRefused.
    """
    provider = find_provider(_issuer(settings), deadline)
    _check_form(provider, fields)
    if not use_nonce(f"{provider.issuer} {state}", now, now):
        raise OpenIDRefused(Refusal.NOT_VALID, "this sign-in was used before")
    token = _redeem(settings, provider, fields["code"], state, deadline)
    claims = _verify(settings, provider, token, state, deadline, now)
    return _facts(claims, _more_claims(provider, token, claims, deadline), now)


def _issuer(settings: Settings) -> str:
    assert settings.oidc_issuer is not None
    return settings.oidc_issuer


def _of_state(settings: Settings, purpose: str, state: str) -> str:
    """Derive a sign-in's nonce or PKCE verifier (64 characters) from its state."""
    return keyed_hash(derive_key(settings.secret_key, f"oidc {purpose}"), state)


def _check_form(provider: Provider, fields: Mapping[str, str]) -> None:
    """Hold that the answer is this provider's and has a code; say calmly when the person cancelled."""
    named = fields.get("iss")
    if (named is None and provider.names_itself) or named not in (None, provider.issuer):
        raise OpenIDRefused(Refusal.NOT_VALID, "the answer is another issuer's")
    error = fields.get("error")
    if error == "access_denied":
        raise OpenIDRefused(Refusal.CANCELLED, "cancelled")
    if error is not None:
        raise _refused_with(error)
    if not fields.get("code"):
        raise OpenIDRefused(Refusal.NOT_VALID, "an answer without a code")


def _refused_with(error: object) -> OpenIDRefused:
    """Tell what passes, what is set up wrongly here, and what ends this one sign-in."""
    code = error if isinstance(error, str) and CODE.fullmatch(error) else "without a code"
    if code in PASSING:
        return no_answer(f"error {code}")
    return OpenIDRefused(Refusal.REFUSED_US if code in OURS else Refusal.NOT_VALID, f"error {code}")


class _Session:
    """What Authlib's client sends its requests with."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth
    ) -> httpx.Response:
        """Send a form to the token endpoint; raises OpenIDRefused for every error that it names."""
        url, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        response = fetch(url, self._deadline, content=body.encode(), headers=sent)
        document = json_object(response)
        if "error" in document or response.status_code != 200:
            raise _refused_with(document.get("error"))
        return response


def _client(settings: Settings, provider: Provider, deadline: Deadline) -> OAuth2Client:
    if settings.oidc_client_secret is None:
        method = "none"
    elif "client_secret_basic" in provider.token_auth_methods:
        method = "client_secret_basic"
    else:
        method = "client_secret_post"
    return OAuth2Client(
        _Session(deadline),
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        token_endpoint_auth_method=method,
        scope=SCOPE,
        redirect_uri=f"{settings.public_url}/login/oidc",
        code_challenge_method="S256",
    )


def _redeem(
    settings: Settings, provider: Provider, code: str, state: str, deadline: Deadline
) -> dict[str, Any]:
    """Exchange the code for tokens."""
    try:
        token = _client(settings, provider, deadline).fetch_token(
            provider.token_endpoint,
            grant_type="authorization_code",
            code=code,
            code_verifier=_of_state(settings, "verifier", state),
        )
    except (ValueError, TypeError) as error:
        raise no_answer(f"an odd answer of the token endpoint ({type(error).__name__})") from None
    if not isinstance(token.get("id_token"), str) or not isinstance(token.get("access_token"), str):
        raise no_answer("the token endpoint's answer lacks a token")
    return dict(token)


def _verify(
    settings: Settings,
    provider: Provider,
    token: dict[str, Any],
    state: str,
    deadline: Deadline,
    now: datetime,
) -> dict[str, Any]:
    """Check the ID token and return its claims."""
    nonce = _of_state(settings, "nonce", state)
    try:
        decoded = _decode(token["id_token"], provider, deadline)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": settings.oidc_client_id},
                "sub": {"essential": True},
            },
            {"nonce": nonce, "client_id": settings.oidc_client_id, "access_token": token["access_token"]},
        )
        claims.validate(now=int(now.timestamp()), leeway=SKEW)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise OpenIDRefused(Refusal.NOT_VALID, f"the ID token: {_name_of(error)}") from None
    subject = claims["sub"]
    if not subject.isascii() or not subject.isprintable() or len(subject) > MAX_SUBJECT:
        raise OpenIDRefused(Refusal.NOT_VALID, "the ID token: a subject that cannot be one")
    return dict(claims)


def _decode(id_token: str, provider: Provider, deadline: Deadline) -> jwt.Token:
    """Check the signature; with keys fetched anew when the kept ones do not fit."""
    keys, new = keys_of(provider, deadline)
    try:
        return _decode_with(keys, id_token)
    except (InvalidKeyIdError, BadSignatureError):
        if new:
            raise
    return _decode_with(keys_of(provider, deadline, anew=True)[0], id_token)


def _decode_with(keys: KeySet, id_token: str) -> jwt.Token:
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    return jwt.decode(id_token, keys, registry=registry)


def _name_of(error: Exception) -> str:
    """Name a fault without the token's values."""
    claim = getattr(error, "claim", None)
    return f"{type(error).__name__} {claim}" if claim else type(error).__name__


def _more_claims(
    provider: Provider, token: Mapping[str, Any], claims: Mapping[str, Any], deadline: Deadline
) -> Mapping[str, Any]:
    """Ask for the claims that the ID token may leave out (OpenID Connect Core 1.0 §5.3, §5.4)."""
    if "email" in claims or provider.userinfo_endpoint is None:
        return claims
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    found = fetch_json(provider.userinfo_endpoint, deadline, bearer)
    if found.get("sub") != claims["sub"]:  # §5.3.2
        raise OpenIDRefused(Refusal.NOT_VALID, "the user info is about somebody else")
    return {**found, **claims}


def _facts(proven: Mapping[str, Any], claims: Mapping[str, Any], now: datetime) -> SignIn:
    email = _text(claims, "email")
    said = claims.get("email_verified")
    verified = said is True or said == "true"  # some large providers write it as a text
    return SignIn(
        issuer=proven["iss"],
        subject=proven["sub"],
        email=email,
        email_proven=email is not None and verified,
        display_name=_text(claims, "name") or "",
        language=(_text(claims, "locale") or "")[:2].lower() or None,
        authenticated_at=_authenticated_at(proven.get("auth_time"), now),
    )


def _authenticated_at(auth_time: object, now: datetime) -> datetime | None:
    """Read when the password was given; the provider must say so when max_age was asked for (Core §2)."""
    if not isinstance(auth_time, int) or not 0 < auth_time <= now.timestamp() + SKEW:
        return None
    return min(now, datetime.fromtimestamp(auth_time, UTC))


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
