"""The test mail of the address page; an LMTP server stands where the relay's socket is."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from core.database import utc_now
from core.models import Person
from devtools.accounts import Account
from tests.app.owner import Owner, assert_form
from tests.support.lmtp import LmtpServer
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])

BOX = "box@mail.example.org"
STEPS = (
    f"150 2.0.0 {BOX}\tconnect\tmx.mail.example.org[192.0.2.7]:25\r\n"
    f"150 2.0.0 {BOX}\trcpt\t550 5.1.1 <b>who</b> is that\r\n"
    f"150 2.0.0 {BOX}\tresult\trefused 5.1.1\r\n"
)


@pytest.fixture
def relay(portal: Portal) -> Iterator[LmtpServer]:
    """What answers on the relay's own socket."""
    portal.settings.relay_socket.unlink(missing_ok=True)
    server = LmtpServer(portal.settings.relay_socket)
    server.start()
    yield server
    server.stop()


def run_path(owner: Owner, answer: Answer, htmx: bool) -> str:
    """Return the address of the run that has begun."""
    if not htmx:
        assert answer.status == 303
        return answer.location.removesuffix("#test-mail")
    assert answer.status == 200
    asking = [one["hx-get"] for one in answer.page.elements() if one.get("hx-get")]
    links = [one["href"] for one in answer.page.all("a")]
    return (asking or links)[0].partition("?")[0] if asking or links else ""


def finished(owner: Owner, path: str, htmx: bool) -> Answer:
    """Ask until the run is over, as the page does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = owner.client.get(f"{path}?polls=3" if htmx else path, on=owner.path if htmx else "")
        if "On its way…" not in answer.text:
            return answer
        time.sleep(0.1)
    raise AssertionError("it never ended")


@pytest.fixture
def held(relay: LmtpServer) -> Iterator[threading.Event]:
    """The relay has taken the mail and works on it until this is set."""
    event = threading.Event()
    relay.at_dot = lambda _: event.wait(30)
    yield event
    event.set()


@htmx_and_not
def test_each_step_is_shown_in_the_servers_own_words(
    portal: Portal, owner: Owner, relay: LmtpServer, held: threading.Event, htmx: bool
) -> None:
    relay.replies["dot"] = STEPS + "550 5.1.1 the recipient's server does not know the address"

    path = run_path(owner, owner.press("test", htmx), htmx)
    poll = f"{path}?polls=1" if htmx else path
    for _ in range(300):  # until the relay has it
        if "accepted by us" in owner.client.get(poll, on=owner.path if htmx else "").text:
            break
        time.sleep(0.1)
    for _ in range(10):  # whichever process is asked, it knows
        waiting = owner.client.get(poll, on=owner.path if htmx else "")
        assert "accepted by us" in waiting.text
        assert "On its way…" in waiting.text
        assert waiting.html.count(f'hx-get="{path}?polls=') == 1
    held.set()
    answer = finished(owner, path, htmx)

    assert f"{BOX} refused for good" in answer.text
    assert "Connecting to its mail server: mx.mail.example.org[192.0.2.7]:25" in answer.text
    assert "The mailbox: 550 5.1.1 <b>who</b> is that" in answer.text
    assert f"hx-get={path}" not in answer.html.replace('"', "")
    if not htmx:
        assert_form(answer, htmx)


def test_the_mail_is_one_of_ours_to_the_address_itself(
    portal: Portal, owner: Owner, relay: LmtpServer
) -> None:
    path = run_path(owner, owner.press("test"), False)
    assert "accepted by us" in finished(owner, path, False).text

    [mail] = relay.received
    assert (mail.sender, mail.recipient) == ("", owner.alias.text)
    assert f"Subject: Test mail for {owner.alias.text}".encode() in mail.content


@htmx_and_not
def test_what_the_relay_itself_refuses_is_said(
    portal: Portal, owner: Owner, relay: LmtpServer, htmx: bool
) -> None:
    owner.press("switch", to="off-refused")
    relay.replies["rcpt"] = "550 5.2.1 This address is switched off"

    answer = owner.press("test", htmx)
    path = run_path(owner, answer, htmx)
    if path:
        answer = finished(owner, path, htmx)

    assert "refused by us This address takes no mail now: off, mail is refused" in answer.text
    assert relay.received == []


def test_without_a_relay_the_page_says_that_it_is_not_there(portal: Portal, owner: Owner) -> None:
    portal.settings.relay_socket.unlink(missing_ok=True)

    answer = finished(owner, run_path(owner, owner.press("test"), False), False)

    assert "not taken by us The mail relay is not there" in answer.text


@htmx_and_not
def test_one_a_minute(portal: Portal, owner: Owner, relay: LmtpServer, htmx: bool) -> None:
    owner.press("test")

    again = owner.press("test", htmx)

    assert again.status == 429
    assert "You sent one less than a minute ago." in again.page.one(role="alert").text
    Person.update(tested_at=utc_now() - timedelta(minutes=1)).execute()
    assert owner.press("test", htmx).status == (200 if htmx else 303)


@htmx_and_not
def test_nobody_else_sees_the_steps(
    portal: Portal,
    owner: Owner,
    relay: LmtpServer,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
    htmx: bool,
) -> None:
    relay.replies["dot"] = STEPS + "250 2.0.0 ok"
    path = run_path(owner, owner.press("test"), False)
    finished(owner, path, False)
    stranger = Owner(new_client(), new_person("ubuntumembers"))

    on = stranger.path if htmx else ""
    theirs = stranger.client.get(path, on=on)
    through_their_own = stranger.client.get(path.replace(owner.path, stranger.path), on=on)

    assert theirs.status == 404
    assert through_their_own.status == 200
    assert "Its steps are no longer here" in through_their_own.text
    assert BOX not in theirs.text + through_their_own.text


def test_looking_stores_nothing(portal: Portal, owner: Owner, relay: LmtpServer) -> None:
    relay.replies["dot"] = STEPS + "250 2.0.0 ok"
    with nothing_created():
        path = run_path(owner, owner.press("test"), False)
        assert BOX in finished(owner, path, False).text

    assert BOX not in portal.log()


def test_a_run_of_before_says_that_it_is_kept_nowhere(portal: Portal, owner: Owner) -> None:
    answer = owner.client.get(f"{owner.path}/test/nonsense")

    assert answer.status == 200
    assert "Its steps are no longer here: they are kept nowhere." in answer.text
    assert_form(answer, False)
