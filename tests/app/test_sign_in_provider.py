"""Ubuntu One on a bad day: down, slow, or answering with documents that nobody should read."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.auth.openid import OpenIDRefused, Refusal, check_answer
from core.database import utc_now
from core.directories import Deadline
from devtools.accounts import Account
from devtools.servers import PretendServers
from devtools.webserver import Answer as Sent
from devtools.webserver import Breakage, Request, WebServer
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

PATIENCE = 15.0  # seconds; the budget of a sign-in is 4


def assert_try_again(answer: Answer) -> None:
    """Hold that the page blames nobody and asks to come back."""
    assert answer.status == 503
    assert "Ubuntu One does not answer" in answer.text
    assert "Try again in a minute" in answer.text
    assert faults_of(answer.page) == []


@pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])
def test_a_provider_that_is_down_gives_a_page(
    portal: Portal, client: Client, outside: PretendServers, member: Account, by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    outside.ubuntu_one.down = True

    with nothing_created():
        answer = client.come_back(attempt, fields, by_post=by_post)

    assert_try_again(answer)
    outside.ubuntu_one.down = False
    assert client.sign_in(member.name).status == 200


def test_a_provider_that_is_slow_is_not_waited_for(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    outside.ubuntu_one.latency = 6.0
    begin = time.monotonic()

    with nothing_created():
        answer = client.bring(attempt, fields)

    assert_try_again(answer)
    assert time.monotonic() - begin < PATIENCE
    outside.ubuntu_one.latency = 0.0


def test_nothing_is_fetched_to_begin_a_sign_in(
    portal: Portal, client: Client, outside: PretendServers
) -> None:
    outside.ubuntu_one.down = True

    assert client.begin().asked["openid.mode"] == "checkid_setup"


def test_an_identity_closed_meanwhile_lets_nobody_in(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    outside.world.update(member.name, sso_active=False)

    with nothing_created():
        assert client.bring(attempt, fields).status == 400


# -- documents -----------------------------------------------------------------------------------


class Provider:
    """Answers every address with what a test says, and keeps what was asked for."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], Sent] = lambda _: Sent(404)
        self.asked: list[str] = []
        self._web = WebServer(self._serve)
        self._web.start()
        self.url = self._web.url
        self.stop = self._web.stop

    def _serve(self, request: Request) -> Sent:
        self.asked.append(request.path)
        return self.answer(request)


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


def xrds(endpoint: str, head: str = "", more: str = "") -> Sent:
    """A discovery document that names an endpoint."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        '<xrds:XRDS xmlns:xrds="xri://$xrds" xmlns="xri://$xrd*($v*2.0)"><XRD><Service>'
        f"<Type>http://specs.openid.net/auth/2.0/signon</Type><URI>{endpoint}</URI>{more}"
        "</Service></XRD></xrds:XRDS>"
    )
    return Sent(200, text.encode(), "application/xrds+xml")


STEPS = "".join(f'<!ENTITY {name} "{f"&{below};" * 10}">' for below, name in pairwise("abcdefghi"))
LAUGHS = f'<!DOCTYPE x [<!ENTITY a "ha">{STEPS}]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

DOCUMENTS: dict[str, Callable[[Provider], Callable[[Request], Sent]]] = {
    "entities that grow": lambda p: lambda _: xrds(p.url + "+openid", LAUGHS, "<Type>&i;</Type>"),
    "an entity of a file": lambda p: lambda _: xrds(p.url + "+openid", FILE, "<Type>&a;</Type>"),
    "another endpoint": lambda p: lambda _: xrds("http://evil.example/+openid"),
    "no XML": lambda p: lambda _: Sent(200, b"<xrds:XRDS", "application/xrds+xml"),
    "no text": lambda p: lambda _: Sent(200, b"\xff\xfe\x00", "application/xrds+xml"),
    "nothing": lambda p: lambda _: Sent(200, b"", "application/xrds+xml"),
    "a large one": lambda p: lambda _: xrds(p.url + "+openid", more="<!--" + "x" * 3_000_000 + "-->"),
    "a page": lambda p: lambda _: Sent(200, b"<html><head><title>x</title></head></html>"),
    "a broken page": lambda p: lambda _: Sent(200, b"<link rel='openid2.provider' href='http://evil.example/'"),
    "a page that points elsewhere": lambda p: (
        lambda _: Sent(200, b"", headers=(("X-XRDS-Location", "http://127.0.0.1:1/x"),))
    ),
    "a redirect to another host": lambda p: lambda _: Sent(302, headers=(("Location", "http://127.0.0.1:1/"),)),
    "a redirect to itself": lambda p: lambda r: Sent(302, headers=(("Location", r.target),)),
    "half a document": lambda p: lambda _: Sent(200, b"<x", breakage=Breakage.TRUNCATED),
    "no answer": lambda p: lambda _: Sent(breakage=Breakage.CLOSED),
    "not found": lambda p: lambda _: Sent(404),
    "an error of its own": lambda p: lambda _: Sent(500),
    "the right document, but no word on the answer": lambda p: lambda _: xrds(p.url + "+openid"),
}  # fmt: skip


def checked(portal: Portal, client: Client, person: str, provider: str, seconds: float) -> OpenIDRefused:
    """Check an answer as if `provider` were the configured one; return how it was refused."""
    claimed_id = f"{provider}+id/aDa7xQ2"
    settings = portal.settings.model_copy(
        update={
            "openid_provider_url": provider,
            "openid_endpoint": f"{provider}+openid",
            "openid_claimed_id_prefix": f"{provider}+id/",
        }
    )
    attempt = client.begin()
    fields = client.sign(attempt, person) | {
        "openid.op_endpoint": settings.openid_endpoint,
        "openid.claimed_id": claimed_id,
        "openid.identity": claimed_id,
    }
    arguments = dict(parse_qsl(urlsplit(attempt.return_to).query))
    begin = time.monotonic()
    with pytest.raises(OpenIDRefused) as refused:
        check_answer(settings, arguments | fields, attempt.return_to, Deadline(seconds), utc_now())
    assert time.monotonic() - begin < PATIENCE
    return refused.value


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_an_odd_document_lets_nobody_in_and_takes_little_time(
    portal: Portal,
    client: Client,
    provider: Provider,
    member: Account,
    document: Callable[[Provider], Callable[[Request], Sent]],
) -> None:
    provider.answer = document(provider)

    refused = checked(portal, client, member.name, provider.url, 4)

    assert refused.refusal in (Refusal.NOT_VALID, Refusal.NO_ANSWER)
    assert 0 < len(provider.asked) < 6
    assert "root:" not in str(refused)


def test_a_document_that_comes_by_the_octet_is_not_waited_for(
    portal: Portal, client: Client, member: Account
) -> None:
    """Each octet is in time, all of them together would take an hour."""
    listening = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def drip() -> None:
        line, _ = listening.accept()
        with line, contextlib.suppress(OSError):
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 36000\r\nContent-Type: text/html\r\n\r\n")
            while not stopping.wait(0.1):
                line.sendall(b" ")

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    refused = checked(portal, client, member.name, url, 1)

    stopping.set()
    listening.close()
    assert refused.refusal is Refusal.NO_ANSWER
