"""A posted answer is put aside for a minute: once, not too long, and for nobody without the cookie."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from core.database import utc_now
from core.models import StashedAnswer
from core.openid_state import STASH_LIMIT
from core.sweep import sweep
from devtools.accounts import Account
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

OPENID_2 = "http://specs.openid.net/auth/2.0"


def test_a_stash_is_used_once(portal: Portal, new_client: Callable[[], Client], member: Account) -> None:
    client = new_client()
    attempt = client.begin()
    aside = client.post_back(attempt, client.sign(attempt, member.name))
    assert client.get(aside.location).status == 303

    with nothing_created():
        assert client.get(aside.location).status == 400


def test_a_stash_that_failed_is_gone_too(portal: Portal, client: Client) -> None:
    attempt = client.begin()
    aside = client.post_back(attempt, {"openid.ns": OPENID_2, "openid.mode": "setup_needed"})
    before = StashedAnswer.select().count()

    assert client.get(aside.location).status == 400

    assert StashedAnswer.select().count() == before - 1


def test_a_stash_lasts_a_minute(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    aside = client.post_back(attempt, client.sign(attempt, member.name))
    row = StashedAnswer.select().order_by(StashedAnswer.id.desc()).get()
    assert timedelta(seconds=50) < row.expires_at - utc_now() <= timedelta(seconds=60)
    row.expires_at = utc_now() - timedelta(seconds=1)
    row.save()

    with nothing_created():
        answer = client.get(aside.location)

    assert answer.status == 400
    assert "Start again" in answer.text


def test_a_stash_is_worth_nothing_in_another_browser(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    client, thief = new_client(), new_client()
    attempt = client.begin()
    aside = client.post_back(attempt, client.sign(attempt, member.name))
    thief.begin()

    with nothing_created():
        assert thief.get(aside.location).status == 400

    assert client.get(aside.location).status == 303  # and the thief has not used it up


def test_the_table_keeps_no_id_to_steal(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    aside = client.post_back(attempt, client.sign(attempt, member.name))

    stash = parse_qs(urlsplit(aside.location).query)["stash"][0]

    row = StashedAnswer.select().order_by(StashedAnswer.id.desc()).get()
    assert stash not in (row.id_hash, row.fields)


@pytest.mark.parametrize("length", [STASH_LIMIT + 1, 100 * 1024, 128 * 1024 - 10, 128 * 1024 + 1, 2_000_000])
def test_an_answer_over_64_kib_is_refused(portal: Portal, client: Client, length: int) -> None:
    attempt = client.begin()
    before = StashedAnswer.select().count()

    answer = client.post_back(attempt, {"openid.mode": "id_res", "openid.x": "x" * length})

    assert answer.status in (400, 413)
    assert "Traceback" not in answer.html
    assert faults_of(answer.page) == []
    assert StashedAnswer.select().count() == before


def test_a_long_answer_of_real_teams_is_taken(portal: Portal, client: Client, member: Account) -> None:
    teams = ",".join(f"team-with-a-long-name-{number:05d}" for number in range(1500))
    attempt = client.begin()
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.sreg.nickname": teams})
    )

    assert client.come_back(attempt, fields, by_post=True).status == 303


def test_an_answer_both_by_get_and_by_post_is_refused(
    portal: Portal, client: Client, member: Account
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    half = {name: fields.pop(name) for name in list(fields)[:4]}
    attempt.asked["openid.return_to"] = attempt.url(half)

    with nothing_created():
        assert client.come_back(attempt, fields, by_post=True).status == 400


@pytest.mark.parametrize("more", ["&stash=AAAA", "&state=AAAA", "&stash="])
def test_arguments_that_come_twice_in_the_posted_address_are_refused(
    portal: Portal, client: Client, member: Account, more: str
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    attempt.asked["openid.return_to"] += more

    with nothing_created():
        assert client.come_back(attempt, fields, by_post=True).status == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"openid.mode": "id_res"}'),
        ("text/plain", b"openid.mode=id_res"),
        ("application/x-www-form-urlencoded", b"\xff\xfe=%ff&%00=%00"),
        ("application/x-www-form-urlencoded", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("multipart/form-data", b"--x--"),
    ],
)
def test_a_body_of_another_kind_is_refused(
    portal: Portal, client: Client, content_type: str, body: bytes
) -> None:
    attempt = client.begin()

    sent = httpx.post(attempt.return_to, content=body, headers={"Content-Type": content_type}, verify=False)
    answer = client.get(sent.headers["Location"]) if sent.is_redirect else Answer(sent)

    assert answer.status in (400, 413)


def test_the_sweep_takes_old_ones_away(portal: Portal, client: Client) -> None:
    attempt = client.begin()
    client.post_back(attempt, {"openid.mode": "cancel"})

    sweep(utc_now() + timedelta(minutes=2))

    assert StashedAnswer.select().count() == 0
