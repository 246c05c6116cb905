"""How often: two processes of a portal over a real broker, which counts for both."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import structlog

from app import create_app
from app.limits import FREE, LIMITS, visitor
from core import database, runtime
from core.models import StashedAnswer
from core.queues import wait_for_broker
from core.settings import Settings
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.app.conftest import fill_database, portal_settings
from tests.app.inside import app_over
from tests.app.owner import Owner
from tests.support.environment import environment_of
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client


class Broker:
    """The embedded Valkey, in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [sys.executable, "-m", "workers.broker"]
        self._process = subprocess.Popen(
            words, env=environment_of(self._settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_broker(self._settings)

    def stop(self) -> None:
        """End it by its pid."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def keys(self) -> list[str]:
        """The names under which something is counted."""
        with redis.Redis.from_url(self._settings.broker_url) as connection:
            return sorted(key.decode() for key in connection.keys("LIMITS*"))

    def forget(self) -> None:
        """Begin to count anew."""
        with redis.Redis.from_url(self._settings.broker_url) as connection:
            connection.flushall()


@pytest.fixture(scope="module")
def running(outside: PretendServers) -> Iterator[tuple[Portal, Broker]]:
    """A portal with a broker, for all tests here."""
    with tempfile.TemporaryDirectory(prefix="waypost-") as folder:
        settings = portal_settings(outside, f"sqlite:///{folder}/waypost.db", Path(folder))
        fill_database(settings)
        portal, broker = Portal(settings), Broker(settings)
        broker.start()
        try:
            portal.start()
            yield portal, broker
        finally:
            portal.stop()
            broker.stop()


@pytest.fixture
def broker(running: tuple[Portal, Broker]) -> Broker:
    """The broker, with nothing counted yet."""
    running[1].forget()
    return running[1]


@pytest.fixture
def portal(running: tuple[Portal, Broker], broker: Broker) -> Iterator[Portal]:
    """The portal; this test's own models read its database."""
    runtime.prepare(running[0].settings)
    with database.connection():
        yield running[0]
    structlog.reset_defaults()
    assert running[0].new_troubles() == []


def begin(client: Client, *hops: str) -> Answer:
    """Press the sign-in button from somewhere, as a reverse proxy tells it."""
    return client.post("/login", X_Forwarded_For=", ".join(hops)) if hops else client.post("/login")


# -- what is limited ------------------------------------------------------------------------------


def test_every_form_is_limited_or_costs_nobody_anything(
    settings_of_all_tests: Settings, sqlite_url: str
) -> None:
    """A new endpoint must be put into `LIMITS`, or into `FREE` when it sends no mail and asks nobody."""
    app = create_app(settings_of_all_tests.model_copy(update={"database_url": sqlite_url}))
    forms = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}

    assert forms <= LIMITS.keys() | FREE
    assert not LIMITS.keys() & FREE
    assert LIMITS.keys() | FREE <= app.view_functions.keys()
    structlog.reset_defaults()


def test_mail_is_limited_for_each_person_over_all_forms_and_processes(
    portal: Portal,
    broker: Broker,
    owner: Owner,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
) -> None:
    answers = [owner.add("no address") for _ in range(15)]  # one was the claim
    answers += [owner.client.post("/domains/ubuntu.com/claim") for _ in range(20)]

    assert [answer.status for answer in answers].index(429) == 29
    late = answers[-1]
    assert faults_of(late.page) == []
    assert "That was too often" in late.text
    assert "It can be done again in" in late.text
    assert 0 < int(late.header("Retry-After")) <= 3600
    assert owner.press("switch", to="off-later").status == 303  # counted by itself
    other = Owner(new_client(), new_person("ubuntumembers"))
    assert other.add("second@mail.example.org").status == 303


def test_with_htmx_the_sentence_takes_the_place_of_the_content(
    portal: Portal, broker: Broker, owner: Owner
) -> None:
    for _ in range(30):
        owner.add("no address")
    answer = owner.add("no address", True)

    assert (answer.status, answer.header("HX-Retarget")) == (429, "#main")
    assert not answer.is_whole_page


def test_requests_to_admins_are_limited(portal: Portal, broker: Broker, owner: Owner) -> None:
    answers = [owner.client.post("/waivers", {"kind": "x"}) for _ in range(11)]

    assert [answer.status for answer in answers] == [422] * 10 + [429]


def test_changes_are_limited_and_those_who_prove_mailboxes(
    portal: Portal, broker: Broker, owner: Owner
) -> None:
    answers = [owner.press("order", to="x") for _ in range(150)]
    answers += [owner.press("switch", to="x") for _ in range(150)]
    assert {answer.status for answer in answers} == {400}
    assert owner.press("switch", to="on").status == 429

    answers = [owner.client.post("/recipients/verify/x") for _ in range(31)]
    assert [answer.status == 429 for answer in answers] == [False] * 29 + [True] * 2  # one was the claim


def test_codes_are_limited(portal: Portal, broker: Broker, owner: Owner) -> None:
    answers = [owner.client.post("/login/again", {"code": "0"}) for _ in range(21)]

    assert [answer.status for answer in answers] == [422] * 20 + [429]


# -- where a stranger is --------------------------------------------------------------------------


def test_sign_ins_are_limited_for_each_address(portal: Portal, broker: Broker, client: Client) -> None:
    statuses = [begin(client, "192.0.2.7").status for _ in range(61)]

    assert statuses == [303] * 60 + [429]
    assert begin(client, "192.0.2.8").status == 303
    assert begin(client, "192.0.2.8, 192.0.2.7").status == 429
    assert begin(client, "192.0.2.7, 192.0.2.8").status == 303  # what the browser wrote counts for nothing


def test_posted_answers_are_limited_before_they_are_stored(
    portal: Portal, broker: Broker, client: Client
) -> None:
    StashedAnswer.delete().execute()
    headers = {"X-Forwarded-For": "192.0.2.9"}
    statuses = [
        client.http.post("/login/ubuntu-one?state=x", data={"x": "y"}, headers=headers).status_code
        for _ in range(62)
    ]

    assert statuses == [303] * 60 + [429] * 2
    assert StashedAnswer.select().count() == 60


def test_nobody_is_counted_when_no_proxy_says_who_it_is(
    portal: Portal, broker: Broker, client: Client
) -> None:
    """Else all people behind a proxy that says nothing would count as one."""
    assert {begin(client).status for _ in range(65)} == {303}


def test_the_broker_learns_no_address(portal: Portal, broker: Broker, owner: Owner) -> None:
    begin(owner.client, "192.0.2.10")
    owner.add("second@mail.example.org")
    keys = broker.keys()

    assert len(keys) >= 3
    assert not any("192.0.2" in key or "@" in key or str(owner.person.launchpad_name) in key for key in keys)


@pytest.mark.parametrize(
    ("peer", "hops", "same_as"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1, 127.0.0.1", "198.51.100.1"),
        ("::1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "2001:db8:1:2:a::1", "2001:db8:1:2:b::2"),
    ],
)
def test_a_stranger_is_who_our_proxy_saw(
    settings_of_all_tests: Settings, sqlite_url: str, peer: str, hops: str, same_as: str
) -> None:
    app = create_app(settings_of_all_tests.model_copy(update={"database_url": sqlite_url}))
    headers = {"X-Forwarded-For": hops} if hops else {}
    with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": peer}):
        key = visitor()
    with app.test_request_context(environ_base={"REMOTE_ADDR": same_as}):
        assert visitor() == key is not None
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "hops", ["", "unknown", "198.51.100.1:443", "x, 127.0.0.1", ",", "127.0.0.1, ::1", "\x80"]
)
def test_who_is_behind_an_odd_word_is_unknown(
    settings_of_all_tests: Settings, sqlite_url: str, hops: str
) -> None:
    app = create_app(settings_of_all_tests.model_copy(update={"database_url": sqlite_url}))
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": hops}
    with app.test_request_context(environ_base=environ):
        assert visitor() is None
    structlog.reset_defaults()


# -- a broker that is gone ------------------------------------------------------------------------


def test_while_the_broker_is_gone_each_process_counts_for_itself(
    portal: Portal, broker: Broker, client: Client
) -> None:
    assert begin(client, "192.0.2.20").status == 303
    broker.stop()
    try:
        statuses = [begin(client, "192.0.2.20").status for _ in range(125)]
        assert set(statuses) == {303, 429}
        assert statuses[:55] == [303] * 55
        assert begin(client, "192.0.2.21").status == 303
    finally:
        broker.start()


def test_a_broker_that_does_not_answer_holds_nobody_up_for_long(
    portal: Portal, broker: Broker, client: Client
) -> None:
    """Stopped, not gone: the socket takes connections, and nothing comes back."""
    pid = broker._process.pid  # type: ignore[union-attr]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert [begin(client, "192.0.2.30").status for _ in range(6)] == [303] * 6
    finally:
        os.kill(pid, signal.SIGCONT)


def test_many_who_find_the_broker_gone_at_once_are_all_answered(
    settings_of_all_tests: Settings, sqlite_url: str, tmp_path: Path
) -> None:
    """A socket that takes connections and says nothing has them all wait for the same half second."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen(50)
        broker = f"unix://{tmp_path}/silent.sock"
        app = app_over(sqlite_url, tmp_path, settings_of_all_tests, redis_url=broker)
        together = threading.Barrier(6)

        def begin_sign_in(_number: int) -> int:
            with app.test_client() as browser:
                page = browser.get("/").get_data(as_text=True)
                token = re.search(r'name="csrf_token" value="([^"]+)"', page)
                together.wait(30)
                fields, place = {"csrf_token": token and token[1]}, {"X-Forwarded-For": "192.0.2.40"}
                return browser.post("/login", data=fields, headers=place).status_code

        with ThreadPoolExecutor(6) as browsers:
            statuses = list(browsers.map(begin_sign_in, range(6)))

    assert set(statuses) == {303}
