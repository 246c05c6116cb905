"""A pretend OpenID Connect provider, whose sign-in page lets one choose who to be."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from devtools import ubuntu_one_pages as pages
from devtools.accounts import Account
from devtools.tokens import Claims, SigningKey, encode, left_half
from devtools.webserver import Answer, Request, WebServer, as_json, control, html, text
from devtools.world import World, WorldError

CLIENT_ID = "waypost-demo"
CLIENT_SECRET = "pretend-client-secret"
NAME = "Example Login"
LASTS = 300  # seconds of an ID token

Fields = dict[str, str]


@dataclass
class Grant:
    """What a code stands for; it is good once."""

    asked: Fields
    account: Account
    used: bool = False


class PretendOidc:
    """Signs the people of a world in; a person's subject is the first suffix of their claimed ids.

    Args:
        world: may change while it is served.
        port: 0 takes a free one.
        host: host name in its addresses; as `localhost` it is another site than a portal at 127.0.0.1.

    Attributes:
        latency: seconds before every answer.
        down: answers 503 to everything.
        instead: what is sent for a path in place of the right answer.
        tamper: changes an ID token's claims before they are signed.
        token_from: makes the ID token of the claims; else the newest key signs it.
        email_in_token: whether the ID token has the e-mail claims, or the user info alone.
        email_verified: what it says of every address; None says what the world says.
        login_age: seconds since the person gave the password; with max_age or prompt=login it is none,
            unless `honours_max_age` is False.
        keys: all that are published, the newest last.
        asked: paths of all requests, in order.
    """

    def __init__(self, world: World, *, port: int = 0, host: str = "localhost") -> None:
        self.world = world
        self._web = WebServer(self._serve, port=port, public_host=host)
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, Account] = {}
        self._lock = threading.Lock()
        self.keys: list[SigningKey] = []
        self.asked: list[str] = []
        self.heal()

    def heal(self) -> None:
        """End every fault and oddity."""
        self.latency = 0.0
        self.down = False
        self.instead: dict[str, Answer] = {}
        self.tamper: Callable[[Claims], object] = lambda _: None
        self.token_from: Callable[[Claims], str] | None = None
        self.email_in_token = True
        self.email_verified: Any = None
        self.login_age = 0.0
        self.honours_max_age = True

    def start(self) -> None:
        """Listens on 127.0.0.1."""
        self._web.start()
        self.rotate()

    def stop(self) -> None:
        """Stops."""
        self._web.stop()

    @property
    def issuer(self) -> str:
        """The issuer: `http://localhost:PORT`."""
        return self._web.url.rstrip("/")

    def subject(self, person: str) -> str:
        """The subject of the one who has this name now."""
        return self._account(person).suffixes[0]

    def rotate(self, algorithm: str = "RS256", *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; the others stay published when `keep`."""
        key = SigningKey(secrets.token_hex(4), algorithm)
        self.keys = [*(self.keys if keep else []), key]
        return key

    def answer(self, asked: Mapping[str, str], person: str) -> str:
        """The address to which the person's browser is sent, with a code.

        Args:
            asked: the fields of the authorization request.
            person: name of who signs in.

        Raises:
            WorldError: there is no such person.
        """
        code = secrets.token_urlsafe(16)
        with self._lock:
            self._grants[code] = Grant(dict(asked), self._account(person))
        return _back(asked, code=code, iss=self.issuer)

    # -- answering -------------------------------------------------------------------------------

    def _serve(self, request: Request) -> Answer:
        if request.path == "/_control":
            return control(request, self._control)
        self.asked.append(request.path)
        if self.latency:
            time.sleep(self.latency)
        if self.down:
            return text(503, "down for maintenance")
        if request.path in self.instead:
            return self.instead[request.path]
        places = {
            "/.well-known/openid-configuration": self._configuration,
            "/jwks": lambda _: as_json({"keys": [key.public() for key in self.keys]}),
            "/authorize": self._authorize,
            "/decide": self._decide,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/style.css": lambda _: Answer(200, pages.STYLE.encode(), "text/css; charset=utf-8"),
        }
        place = places.get(request.path)
        return place(request) if place else text(404, "not found")

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"down": true, "latency": 2, "login_age": 900, "rotate": true}`."""
        self.down = bool(order.get("down", self.down))
        self.latency = float(order.get("latency", self.latency))
        self.login_age = float(order.get("login_age", self.login_age))
        if order.get("rotate"):
            self.rotate(keep=False)
        return {"down": self.down, "latency": self.latency, "login_age": self.login_age}

    def _configuration(self, _: Request) -> Answer:
        places = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        paths = ("authorize", "token", "userinfo", "jwks")
        return as_json(
            {
                "issuer": self.issuer,
                **{name: f"{self.issuer}/{path}" for name, path in zip(places, paths, strict=True)},
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    def _authorize(self, request: Request) -> Answer:
        asked = dict(parse_qsl(request.raw_query, keep_blank_values=True))
        if _fault_of(asked):
            return text(400, _fault_of(asked))
        people = [one for one in self.world.accounts() if one.suffixes]
        site = urlsplit(asked["redirect_uri"]).netloc
        document = pages.sign_in_page(asked, site, people, set(), NAME, "/decide")
        return html(200, document, ("Content-Security-Policy", pages.POLICY))

    def _decide(self, request: Request) -> Answer:
        """The person pressed a button of the sign-in page."""
        form = dict(request.form())
        asked = {name: value for name, value in form.items() if name not in ("person", "cancel", "boxes")}
        if _fault_of(asked):
            return text(400, _fault_of(asked))
        if "cancel" in form:
            target = _back(asked, error="access_denied", iss=self.issuer)
        else:
            try:
                target = self.answer(asked, form.get("person", ""))
            except WorldError:
                return text(400, "Go back and choose one of the people.")
        return Answer(303, headers=(("Location", target),))

    def _token(self, request: Request) -> Answer:
        form = dict(request.form())
        if _client_of(request, form) != (CLIENT_ID, CLIENT_SECRET):
            return as_json({"error": "invalid_client"}, 401)
        with self._lock:
            grant = self._grants.get(form.get("code", ""))
            if grant is None or grant.used or not _fits(grant, form):
                return as_json({"error": "invalid_grant", "error_description": "é: not valid\r\n"}, 400)
            grant.used = True
            access_token = secrets.token_urlsafe(16)
            self._tokens[access_token] = grant.account
        claims = self._claims(grant, access_token)
        self.tamper(claims)
        id_token = self.token_from(claims) if self.token_from else self.keys[-1].sign(claims)
        return as_json(
            {"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token}
        )

    def _claims(self, grant: Grant, access_token: str) -> Claims:
        now = int(time.time())
        must_log_in = "max_age" in grant.asked or grant.asked.get("prompt") == "login"
        age = 0 if must_log_in and self.honours_max_age else self.login_age
        return {
            "iss": self.issuer,
            "sub": grant.account.suffixes[0],
            "aud": grant.asked["client_id"],
            "exp": now + LASTS,
            "iat": now,
            "auth_time": now - int(age),
            "nonce": grant.asked.get("nonce"),
            "at_hash": left_half(access_token),
            **(self._about(grant.account) if self.email_in_token else {}),
        }

    def _about(self, account: Account) -> Claims:
        verified = account.email_verified if self.email_verified is None else self.email_verified
        found = {"name": account.display_name, "locale": account.language, "preferred_username": account.name}
        return found | ({"email": account.email, "email_verified": verified} if account.email else {})

    def _userinfo(self, request: Request) -> Answer:
        account = self._tokens.get(request.header("authorization").removeprefix("Bearer "))
        if account is None:
            return as_json({"error": "invalid_token"}, 401)
        return as_json({"sub": account.suffixes[0], **self._about(account)})

    def _account(self, person: str) -> Account:
        account = self.world.account(person)
        if account is None or not account.suffixes:
            raise WorldError(f"nobody signs in as {person}")
        return account


def _fault_of(asked: Mapping[str, str]) -> str:
    """What is wrong with an authorization request; it takes any redirect URI on loopback."""
    wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
    wrong = [name for name, value in wanted.items() if asked.get(name) != value]
    wrong += [name for name in ("state", "nonce", "code_challenge") if not asked.get(name)]
    if "openid" not in asked.get("scope", "").split():
        wrong.append("scope")
    if urlsplit(asked.get("redirect_uri", "")).hostname not in ("127.0.0.1", "localhost"):
        wrong.append("redirect_uri")
    return f"invalid_request: {', '.join(wrong)}" if wrong else ""


def _back(asked: Mapping[str, str], **fields: str) -> str:
    return f"{asked['redirect_uri']}?{urlencode({**fields, 'state': asked['state']})}"


def _client_of(request: Request, form: Fields) -> tuple[str, str]:
    """Who asks at the token endpoint: by HTTP Basic, else by the form."""
    scheme, _, rest = request.header("authorization").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = b64decode(rest).decode().partition(":")
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")


def _fits(grant: Grant, form: Fields) -> bool:
    """Whether the code is redeemed by whom it was made for (RFC 6749 §4.1.3, RFC 7636 §4.6)."""
    challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
    return (
        form.get("grant_type") == "authorization_code"
        and form.get("redirect_uri") == grant.asked["redirect_uri"]
        and hmac.compare_digest(challenge, grant.asked["code_challenge"])
    )
