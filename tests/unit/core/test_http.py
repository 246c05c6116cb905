"""core.http; how it keeps its deadline is tried in tests/unit/core/directories/test_launchpad.py"""

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpcore
import httpx
import pytest

from core.directories import Deadline
from core.http import Fetcher, _addresses
from devtools.webserver import Answer, Request, WebServer, text


def answer(request: Request) -> Answer:
    """Say what came, or move on."""
    if request.path == "/moved":
        return Answer(302, headers=(("Location", "/"),))
    return text(200, f"{request.method} {request.header('x-test')} {request.body.decode()}")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = WebServer(answer)
    server.start()
    yield server.url
    server.stop()


def test_a_get_brings_the_whole_answer(url):
    response = Fetcher({"X-Test": "mine"}).fetch(url, Deadline(5), most=1000)

    assert (response.status_code, response.text) == (200, "GET mine ")
    assert response.headers["Content-Type"].startswith("text/plain")


def test_content_makes_it_a_post(url):
    response = Fetcher().fetch(url, Deadline(5), most=1000, content=b"field=1", headers={"X-Test": "this"})

    assert response.text == "POST this field=1"


def test_a_redirect_is_not_followed(url):
    assert Fetcher().fetch(f"{url}moved", Deadline(5), most=1000).status_code == 302


@pytest.mark.parametrize(("most", "enough"), [(5, True), (4, False), (0, False)])
def test_an_answer_may_have_so_many_octets(url, most, enough):
    fetcher = Fetcher({"X-Test": ""})  # the answer is "GET  "
    if enough:
        assert fetcher.fetch(url, Deadline(5), most=most).text == "GET  "
    else:
        with pytest.raises(httpx.HTTPError):
            fetcher.fetch(url, Deadline(5), most=most)


def test_one_connection_serves_one_request_after_the_other_each_with_its_deadline(url):
    fetcher = Fetcher()
    fetcher.fetch(url, Deadline(5), most=1000)
    with pytest.raises(httpx.TimeoutException):
        fetcher.fetch(url, Deadline(0), most=1000)

    assert fetcher.fetch(url, Deadline(5), most=1000).status_code == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://127.0.0.1:99999/", "http://[", "ftp://x.example/", ""]
)
def test_no_answer_and_no_address_are_errors_of_the_kinds_that_are_promised(url):
    with pytest.raises((httpx.HTTPError, httpx.InvalidURL, ValueError)):
        Fetcher().fetch(url, Deadline(2), most=1000)


# -- IPv6 or IPv4, whichever answers --------------------------------------------------------------


@pytest.fixture
def two_addresses(url, monkeypatch) -> Iterator[str]:
    """A host with two addresses: the first one takes no connection and says nothing, the second is ours."""
    port = urlsplit(url).port
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        for _ in range(2):  # fill its queue: whoever comes next is not answered
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        look_up = socket.getaddrinfo
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **named: found if host == "two.example" else look_up(host, *rest, **named),
        )
        yield f"http://two.example:{port}/"


def test_an_address_that_does_not_answer_is_passed_over(two_addresses):
    assert Fetcher().fetch(two_addresses, Deadline(10), most=1000).status_code == 200


def test_the_address_that_answered_is_tried_first_the_next_time(two_addresses, monkeypatch):
    tried: list[str] = []
    connect = httpcore.SyncBackend.connect_tcp

    def watched(self, host, *rest):
        tried.append(host)
        return connect(self, host, *rest)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", watched)
    fetcher = Fetcher({"Connection": "close"})
    for _ in range(2):
        fetcher.fetch(two_addresses, Deadline(10), most=1000)

    assert tried == ["127.0.0.2", "127.0.0.1", "127.0.0.1"]


def test_no_address_is_waited_for_past_the_deadline(two_addresses):
    began = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        Fetcher().fetch(two_addresses, Deadline(0.3), most=1000)

    assert time.monotonic() - began < 2


def test_the_families_take_turns(monkeypatch):
    infos = [
        (family, socket.SOCK_STREAM, 6, "", (address, 80))
        for family, address in [
            *((socket.AF_INET6, f"2001:db8::{n}") for n in (1, 2, 3)),
            (socket.AF_INET, "192.0.2.1"),
        ]
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)

    assert _addresses("x.example", 80) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]


def test_a_host_that_is_not_there_is_no_answer():
    with pytest.raises(httpx.ConnectError):
        Fetcher().fetch("http://nobody.invalid/", Deadline(5), most=1000)
