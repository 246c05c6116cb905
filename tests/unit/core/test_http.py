"""core.http; how it keeps its deadline is tried in tests/unit/core/directories/test_launchpad.py"""

from collections.abc import Iterator

import httpx
import pytest

from core.directories import Deadline
from core.http import Fetcher
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
