"""Several sign-ins in one browser, and answers that come back to the wrong place or too late."""

import time
from collections.abc import Callable

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from app.auth import pending
from core.secrets import derive_key
from devtools.accounts import Account
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Attempt, Client

COOKIE_LIMIT = 4096  # octets of name, value and attributes (RFC 6265 §6.1)


def assert_start_again(answer: Answer) -> None:
    """Hold that the page says so, calmly."""
    assert answer.status == 400
    assert "Please start again" in answer.text
    assert answer.page.one("a", class_="p-button--positive")["href"] == "/login"
    assert faults_of(answer.page) == []


@pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first first", "second first"])
def test_two_tabs_both_end_where_they_wanted(
    each_portal: Portal, client: Client, member: Account, by_post: bool, order: tuple[int, int]
) -> None:
    targets = ("/addresses/1", "/addresses/2?x=1")
    attempts = [client.begin(target) for target in targets]

    for number in order:
        answer = client.sign(attempts[number], member.name)
        back = client.come_back(attempts[number], answer, by_post=by_post)
        assert (back.status, back.location) == (303, targets[number])

    assert client.is_signed_in


def test_the_back_button_sends_the_answer_again(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    client.bring(attempt, fields)

    with nothing_created():
        assert_start_again(client.bring(attempt, fields))

    assert client.is_signed_in


def test_a_foreign_state_logs_nobody_in(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    """Log-in as the attacker: whose address would then get the victim's mail."""
    attacker, victim = new_client(), new_client()
    attempt = attacker.begin()
    fields = attacker.sign(attempt, member.name)
    victim.begin()

    with nothing_created():
        assert_start_again(victim.bring(attempt, fields))
        assert_start_again(victim.come_back(attempt, fields, by_post=True))

    assert not victim.is_signed_in


def test_an_answer_without_the_cookie_logs_nobody_in(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    client, bare = new_client(), new_client()
    attempt = client.begin()
    fields = client.sign(attempt, member.name)

    with nothing_created():
        assert_start_again(bare.bring(attempt, fields))


@pytest.mark.parametrize("query", ["", "state=", "state=AAAA", "openid.mode=id_res", "stash=AAAA"])
def test_an_answer_that_nobody_asked_for_is_refused(portal: Portal, client: Client, query: str) -> None:
    client.begin()

    with nothing_created():
        assert_start_again(client.get(f"/login/ubuntu-one?{query}"))


@pytest.mark.parametrize("value", ["", "x", "e30.x.y", "\u00e4", "W10=.aaaa.bbbb"])
def test_a_broken_cookie_is_no_cookie(portal: Portal, client: Client, member: Account, value: str) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)

    answer = Answer(
        client.http.get(attempt.url(fields), headers={"Cookie": f"waypost-signin={value}".encode()})
    )

    assert answer.status == 400


class _PastSigner(TimestampSigner):
    """Signs as if it were some seconds ago."""

    age = 0

    def get_timestamp(self) -> int:
        return int(time.time()) - self.age


def set_pending(client: Client, portal: Portal, waiting: object, age: int = 0) -> None:
    """Put sign-ins into the browser that were begun some seconds ago."""
    signer = type("Signer", (_PastSigner,), {"age": age})
    key = derive_key(portal.settings.secret_key, "pending sign-ins")
    value = URLSafeTimedSerializer(key, signer=signer).dumps(waiting)
    del client.http.cookies["waypost-signin"]
    client.http.cookies.set("waypost-signin", value, domain="127.0.0.1", path="/")


def state_of(attempt: Attempt) -> str:
    """Return the state in an attempt's return address."""
    return attempt.return_to.partition("state=")[2].partition("&")[0]


@pytest.mark.parametrize(("age", "status"), [(14 * 60, 303), (16 * 60, 400)])
def test_a_sign_in_may_take_a_quarter_of_an_hour(
    portal: Portal, client: Client, member: Account, age: int, status: int
) -> None:
    attempt = client.begin()
    set_pending(client, portal, {state_of(attempt): "/home"}, age)

    answer = client.bring(attempt, client.sign(attempt, member.name))

    assert answer.status == status


def test_a_cookie_of_another_secret_is_no_cookie(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    value = URLSafeTimedSerializer(b"another key").dumps({state_of(attempt): "/home"})
    del client.http.cookies["waypost-signin"]
    client.http.cookies.set("waypost-signin", value, domain="127.0.0.1", path="/")

    assert_start_again(client.bring(attempt, client.sign(attempt, member.name)))


def test_the_session_cookie_does_not_pass_for_the_pending_one(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)
    client.http.cookies.set("waypost-signin", client.cookies["waypost"], domain="127.0.0.1", path="/")

    assert client.get("/login/ubuntu-one?state=_user_id").status == 400


def test_of_many_tabs_the_oldest_is_forgotten(portal: Portal, client: Client, member: Account) -> None:
    attempts = [client.begin() for _ in range(pending.MOST + 1)]

    oldest = client.bring(attempts[0], client.sign(attempts[0], member.name))
    newest = client.bring(attempts[-1], client.sign(attempts[-1], member.name))

    assert_start_again(oldest)
    assert newest.status == 303


@pytest.mark.parametrize("length", [100, 500, 1000, 3500, 20_000])
def test_many_tabs_with_long_targets_fit_into_a_cookie(
    portal: Portal, client: Client, member: Account, length: int
) -> None:
    """A browser drops a larger one without a word, and no sign-in would ever work there."""
    target = "/addresses/1?x=" + "y" * (length - 15)

    for _ in range(pending.MOST + 1):
        token = client.token()
        sent = client.http.post("/login", data={"csrf_token": token, "next": target})
        cookies = [text for text in sent.headers.get_list("Set-Cookie") if "signin" in text]
        assert all(len(text) <= COOKIE_LIMIT for text in cookies), len(cookies[0])


def test_nothing_is_left_in_the_browser_when_all_have_come_back(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)

    assert set(client.cookies) == {"waypost"}
