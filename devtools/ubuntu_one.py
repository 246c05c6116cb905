"""A pretend Ubuntu One: an OpenID 2.0 provider whose sign-in page lets one choose who to be."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from openid.extensions import ax, sreg
from openid.message import Message
from openid.server.server import ENCODE_KVFORM, CheckIDRequest, ProtocolError, Server
from openid.store.memstore import MemoryStore

from devtools import ubuntu_one_pages as pages
from devtools.accounts import Account
from devtools.openid_answers import SHARED, TEAMS_NS, add_extensions, login_time
from devtools.webserver import Answer, Request, WebServer, control, html, text
from devtools.world import World, WorldError

URL_LIMIT = 2047  # longer answers come as a form

Fields = dict[str, str]


@dataclass(frozen=True)
class SentAnswer:
    """An answer that went to a site: for tests that send it again or bend it."""

    return_to: str
    fields: Fields

    @property
    def url(self) -> str:
        """The address of the answer sent by GET."""
        joint = "&" if "?" in self.return_to else "?"
        return f"{self.return_to}{joint}{urlencode(self.fields)}"


class PretendUbuntuOne:
    """Signs the people of a world in.

    Args:
        world: may change while it is served.
        port: 0 takes a free one.
        host: host name in its addresses. It listens on 127.0.0.1 in any case; as `localhost` it is
            another site than a portal at 127.0.0.1, so cookies behave as with the real one.

    Attributes:
        latency: seconds before every answer.
        down: answers 503 to everything.
        force_post: sends every answer as a form, not only the long ones.
        auto_person: who is signed in already: checkid_immediate then succeeds.
        login_age: seconds since the person gave the password.
        honours_max_auth_age: asks for it again when PAPE wants so; else answers with the old time.
        tamper: changes an answer's fields before they are signed.
        answer_with: makes other fields of the signed ones.
        answers: the last answers, oldest first.
    """

    def __init__(self, world: World, *, port: int = 0, host: str = "localhost") -> None:
        self.world = world
        self.latency = 0.0
        self.down = False
        self.force_post = False
        self.auto_person: str | None = None
        self.login_age = 0.0
        self.honours_max_auth_age = True
        self.tamper: Callable[[Fields], None] | None = None
        self.answer_with: Callable[[Fields], Fields] | None = None
        self.answers: deque[SentAnswer] = deque(maxlen=100)
        self._web = WebServer(self._serve, port=port, public_host=host)
        self._openid_lock = threading.Lock()  # the library's memory store knows of no threads
        self._openid: Any = None

    # -- for tests and the demo ------------------------------------------------------------------

    def start(self) -> None:
        """Listens on 127.0.0.1."""
        self._web.start()
        self._openid = Server(MemoryStore(), self.endpoint)

    def stop(self) -> None:
        """Stops."""
        self._web.stop()

    @property
    def url(self) -> str:
        """What a site is told as the provider: `http://localhost:PORT/`."""
        return self._web.url

    @property
    def endpoint(self) -> str:
        """The OP endpoint."""
        return f"{self.url}+openid"

    @property
    def identifier_prefix(self) -> str:
        """What every claimed id begins with."""
        return f"{self.url}+id/"

    def claimed_id(self, person: str) -> str:
        """The claimed id of the one who has this name now."""
        account, suffix = self._chosen(person)
        return f"{self.identifier_prefix}{suffix or account.suffixes[0]}"

    def signed_answer(
        self,
        request_args: Mapping[str, str],
        person: str,
        *,
        share: Collection[str] = SHARED,
        tamper: Callable[[Fields], None] | None = None,
    ) -> Fields:
        """The fields of a positive answer, all of them signed.

        Args:
            request_args: the `openid.` fields of the checkid request.
            person: name of who signs in; `name/SUFFIX` for another identity of a merged account.
            share: what the person lets the site know of nickname, email, fullname, teams.
            tamper: changes the fields before they are signed, as only the provider itself could.

        Raises:
            ProtocolError: the request is none.
            WorldError: there is no such person.
        """
        with self._openid_lock:
            checkid = self._openid.decodeRequest(dict(request_args))
        account, _ = self._chosen(person)
        identity = self.claimed_id(person)
        response = checkid.answer(True, identity=identity, claimed_id=identity)
        auth_time = login_time(checkid, self.login_age, self.honours_max_auth_age)
        add_extensions(response, account, self.world, share, auth_time)
        if tamper:
            fields = response.fields.toPostArgs()
            tamper(fields)
            response.fields = Message.fromPostArgs(fields)
        return self._signed(response)

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"latency": 2, "down": true, "force_post": true, "login_age": 900}`."""
        self.latency = float(order.get("latency", self.latency))
        self.login_age = float(order.get("login_age", self.login_age))
        self.down = bool(order.get("down", self.down))
        self.force_post = bool(order.get("force_post", self.force_post))
        self.honours_max_auth_age = bool(order.get("honours_max_auth_age", self.honours_max_auth_age))
        return {
            "latency": self.latency,
            "login_age": self.login_age,
            "down": self.down,
            "force_post": self.force_post,
            "honours_max_auth_age": self.honours_max_auth_age,
        }

    # -- answering -------------------------------------------------------------------------------

    def _serve(self, request: Request) -> Answer:
        if request.path == "/_control":
            return control(request, self._control)
        if self.latency:
            time.sleep(self.latency)
        if self.down:
            return html(503, pages.page("Ubuntu One is down", ""), ("Retry-After", "30"))
        if request.path.startswith("/+id/"):
            return self._identity(request.path.removeprefix("/+id/"))
        places = {
            "/": self._root,
            "/+openid": self._endpoint,
            "/+decide": self._decide,
            "/style.css": lambda _: Answer(200, pages.STYLE.encode(), "text/css; charset=utf-8"),
            "/submit.js": lambda _: Answer(200, pages.SUBMIT_SCRIPT.encode(), "text/javascript"),
        }
        place = places.get(request.path)
        return place(request) if place else _page(404, "Not found", "<p>There is nothing here.</p>")

    def _root(self, request: Request) -> Answer:
        if "application/xrds+xml" in request.header("accept"):
            return _xrds(pages.xrds(pages.SERVER_TYPES, self.endpoint))
        return _page(200, "Pretend Ubuntu One", "<p>Sites send you here to sign in.</p>")

    def _identity(self, path: str) -> Answer:
        suffix, _, rest = path.partition("/")
        account = self.world.by_suffix(suffix)
        if account is None or not account.sso_active or rest not in ("", "+xrds"):
            return _page(404, "Not found", "<p>Nobody has this identity.</p>")
        if rest == "+xrds":
            return _xrds(pages.xrds(pages.SIGNON_TYPES, self.endpoint))
        location = f"{self.identifier_prefix}{suffix}/+xrds"
        return _page(200, "OpenID identity", "<p>Somebody’s identity.</p>", ("X-XRDS-Location", location))

    def _endpoint(self, request: Request) -> Answer:
        fields = dict(parse_qsl(request.raw_query, keep_blank_values=True)) | dict(request.form())
        try:
            with self._openid_lock:
                asked = self._openid.decodeRequest(fields)
                if asked is None:
                    return _page(400, "Not an OpenID request", "<p>Start at the site you want to use.</p>")
                if not isinstance(asked, CheckIDRequest):
                    return _encoded(self._openid.encodeResponse(self._openid.handleRequest(asked)))
        except ProtocolError as problem:
            return self._refused(problem)
        if asked.immediate:
            return self._immediate(asked, fields)
        people = [one for one in self.world.accounts() if one.suffixes]
        return _page_of(pages.sign_in_page(_openid(fields), asked.trust_root, people, _asked(asked)))

    def _immediate(self, asked: Any, fields: Fields) -> Answer:
        if self.auto_person is None:
            setup_needed = asked.answer(False).fields.toPostArgs()
            return self._send(asked.return_to, setup_needed)
        answer = self.signed_answer(_openid(fields), self.auto_person, tamper=self.tamper)
        return self._send(asked.return_to, answer)

    def _decide(self, request: Request) -> Answer:
        """The person pressed a button of the sign-in page."""
        form = request.form()
        fields = dict(form)
        try:
            with self._openid_lock:
                asked = self._openid.decodeRequest(_openid(fields))
        except ProtocolError as problem:
            return self._refused(problem)
        if request.method != "POST" or asked is None:
            return _page(400, "Not an OpenID request", "<p>Start at the site you want to use.</p>")
        if "cancel" in fields:
            return self._send(asked.return_to, asked.answer(False).fields.toPostArgs())
        try:
            account, _ = self._chosen(fields.get("person", ""))
        except WorldError:
            return _page(400, "Nobody chosen", "<p>Go back and choose one of the people.</p>")
        if not account.sso_active:
            return _page(403, "Account not active", "<p>This Ubuntu One account is suspended.</p>")
        ticked = [value for name, value in form if name == "share"]
        share = ticked if "boxes" in fields else SHARED
        answer = self.signed_answer(_openid(fields), fields["person"], share=share, tamper=self.tamper)
        return self._send(asked.return_to, answer)

    def _send(self, return_to: str, fields: Fields) -> Answer:
        sent = SentAnswer(return_to, self.answer_with(fields) if self.answer_with else fields)
        self.answers.append(sent)
        if self.force_post or len(sent.url) > URL_LIMIT:
            return _page_of(pages.answer_form(return_to, sent.fields))
        return Answer(302, headers=(("Location", sent.url),))

    def _refused(self, problem: ProtocolError) -> Answer:
        """A site's server is told in key-value form; a person sees the error and is sent nowhere."""
        if problem.whichEncoding() == ENCODE_KVFORM:
            return _encoded(self._openid.encodeResponse(problem))
        return text(400, f"{type(problem).__name__}: {problem}\n")

    def _signed(self, response: Any) -> Fields:
        with self._openid_lock:
            signed = self._openid.signatory.sign(response)
        return dict(signed.fields.toPostArgs())

    def _chosen(self, value: str) -> tuple[Account, str]:
        """The account and, if one was named, the suffix of a sign-in button's value."""
        name, _, suffix = value.partition("/")
        account = self.world.account(name)
        if account is None or not account.suffixes or (suffix and suffix not in account.suffixes):
            raise WorldError(f"nobody signs in as {value}")
        return account, suffix


def _openid(fields: Mapping[str, str]) -> Fields:
    return {name: value for name, value in fields.items() if name.startswith("openid.")}


def _asked(checkid: Any) -> set[str]:
    """Which of the fields on offer a site asks for."""
    asked = set(sreg.SRegRequest.fromOpenIDRequest(checkid).allRequestedFields())
    types = ax.FetchRequest.fromOpenIDRequest(checkid)
    names = {
        "http://axschema.org/namePerson": "fullname",
        "http://axschema.org/namePerson/friendly": "nickname",
        "http://axschema.org/contact/email": "email",
    }
    asked |= {name for type_uri, name in names.items() if types and type_uri in types}
    if checkid.message.getArg(TEAMS_NS, "query_membership"):
        asked.add("teams")
    return asked & set(SHARED)


def _encoded(answer: Any) -> Answer:
    """The library's own web response as ours."""
    body = answer.body if isinstance(answer.body, bytes) else answer.body.encode()
    return Answer(answer.code, body, "text/plain; charset=utf-8", tuple(answer.headers.items()))


def _xrds(document: str) -> Answer:
    return Answer(200, document.encode(), "application/xrds+xml", (("Vary", "Accept"),))


def _page(status: int, title: str, body: str, *headers: tuple[str, str]) -> Answer:
    return html(status, pages.page(title, body), ("Content-Security-Policy", pages.POLICY), *headers)


def _page_of(document: str) -> Answer:
    return html(200, document, ("Content-Security-Policy", pages.POLICY), ("Cache-Control", "no-store"))
