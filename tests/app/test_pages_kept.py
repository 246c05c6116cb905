"""An imported address that is kept for somebody: the proof on the pages, with HTMX and without."""

from collections.abc import Callable

import pytest

from core.database import utc_now, write
from core.letters import write_letter
from core.models import Alias, AliasRecipient, Domain, Notice, Recipient, Reservation, Session
from core.reservations import NameState
from core.takeover import CODE, code_of
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.support.arrange import make_alias, make_recipient
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Answer, Client

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
MakePerson = Callable[..., Account]
OLD = "treasure@old.example.net"


@pytest.fixture
def keep(outside: PretendServers, each_portal: Portal) -> Callable[..., Alias]:
    """Keep NAME@ubuntu.com for an account that has not been here yet."""

    def keep(account: Account, *addresses: str) -> Alias:
        now, domain = utc_now(), Domain.get(Domain.name == "ubuntu.com")
        who = {
            "reserved_issuer": each_portal.settings.openid_provider_url,
            "reserved_subject": outside.ubuntu_one.claimed_id(account.name),
        }
        recipients = [make_recipient(None, now, address) for address in addresses or (OLD,)]
        alias = make_alias(None, domain, now, account.name, recipients=recipients, **who)
        with write():
            Reservation.create(
                alias=alias,
                launchpad_name=account.name,
                listed_at=now,
                imported_at=now,
                state=NameState.FOUND,
            )
        return alias

    return keep


@pytest.fixture
def kept(keep: Callable[..., Alias], member: Account) -> Alias:
    """An address of which only the old list knows where its mail goes."""
    return keep(member, OLD, "second-treasure@old.example.net")


def press(client: Client, alias: Alias, what: str, htmx: bool, **fields: str) -> Answer:
    path = f"/kept/{alias.id}"
    return client.post(f"{path}/{what}", fields, on=path if htmx else "")


def assert_form(answer: Answer, htmx: bool) -> None:
    assert answer.is_whole_page is not htmx
    assert answer.page.one("section", id="kept")
    if not htmx:
        assert faults_of(answer.page) == []


def assert_says_nothing(answer: Answer) -> None:
    """Hold that no recipient is in the answer, not even a part of one."""
    said = answer.html + str(answer.response.headers)
    assert "treasure" not in said
    assert "old.example" not in said
    assert "tr…" not in said


@htmx_and_not
def test_a_code_to_the_first_mailbox_proves_it(
    each_portal: Portal, client: Client, member: Account, kept: Alias, htmx: bool
) -> None:
    home = client.sign_in(member.name)
    assert f"{member.name}@ubuntu.com This address was brought over from the old system" in home.text
    assert "This address is kept for you. Prove that it is you, above on this page." in home.text
    assert_says_nothing(home)
    link = home.page.one("a", href=f"/kept/{kept.id}")
    page = client.get(link["href"])
    assert faults_of(page.page) == []
    assert_says_nothing(page)

    sent = press(client, kept, "code", htmx)
    if not htmx:
        assert (sent.status, sent.location) == (303, f"/kept/{kept.id}")
        sent = client.get(sent.location)
    assert_form(sent, htmx)
    assert_says_nothing(sent)
    notice = Notice.get(Notice.kind == CODE, Notice.recipient.in_(behind(kept)))
    letter = write_letter(notice, each_portal.settings, utc_now())
    assert letter is not None
    assert letter.to == OLD
    code = code_of(Reservation.get(Reservation.alias == kept), each_portal.settings.secret_key)
    assert code.encode() in letter.message

    wrong = press(client, kept, "enter", htmx, code=f"{(int(code) + 1) % 10**8:08d}")
    assert wrong.status == 422
    assert_form(wrong, htmx)
    assert_says_nothing(wrong)
    assert "This is not the code of the newest mail." in wrong.text
    assert wrong.page.one("input", id="code").get("aria-invalid") == "true"

    done = press(client, kept, "enter", htmx, code=code)

    target = f"/addresses/{kept.id}"
    assert (done.header("HX-Redirect") if htmx else done.location) == target
    address = client.get(target)
    assert OLD in address.text
    assert "The address is yours." in address.text
    assert Alias.get_by_id(kept.id).person == person_of(member)
    assert client.get(f"/kept/{kept.id}").status == 404
    assert press(client, kept, "enter", htmx, code=code).status == 404


def behind(alias: Alias) -> list[int]:
    return [row.recipient_id for row in AliasRecipient.select().where(AliasRecipient.alias == alias)]


@htmx_and_not
def test_the_sign_in_address_proves_it_after_a_fresh_sign_in(
    each_portal: Portal, client: Client, member: Account, keep: Callable[..., Alias], htmx: bool
) -> None:
    kept = keep(member, OLD, str(member.email))
    client.sign_in(member.name)
    page = client.get(f"/kept/{kept.id}")
    assert "That is proof enough." in page.text
    assert_says_nothing(page)

    early = press(client, kept, "take", htmx)
    again = f"/login/again?next=/kept/{kept.id}"
    if (early.header("HX-Redirect") if htmx else early.location) == again:
        assert Alias.get_by_id(kept.id).person_id is None
        attempt = client.begin(again)
        client.bring(attempt, client.sign(attempt, member.name))
        client.forget_token()
        early = press(client, kept, "take", htmx)

    assert (early.header("HX-Redirect") if htmx else early.location) == f"/addresses/{kept.id}"
    assert Alias.get_by_id(kept.id).person == person_of(member)
    assert Recipient.get(Recipient.address == OLD, Recipient.person == person_of(member)).verified_at is None


@htmx_and_not
def test_a_stale_session_proves_nothing_by_its_sign_in_address(
    each_portal: Portal, client: Client, member: Account, keep: Callable[..., Alias], htmx: bool
) -> None:
    kept = keep(member, str(member.email))
    client.sign_in(member.name)
    Session.update(authenticated_at=None, asked_anew=False).where(
        Session.person == person_of(member)
    ).execute()

    answer = press(client, kept, "take", htmx)

    assert (answer.header("HX-Redirect") if htmx else answer.location).startswith("/login/again")
    assert Alias.get_by_id(kept.id).person_id is None


@htmx_and_not
def test_another_sign_in_address_is_refused(
    each_portal: Portal, client: Client, member: Account, kept: Alias, htmx: bool
) -> None:
    client.sign_in(member.name)
    attempt = client.begin(f"/login/again?next=/kept/{kept.id}")
    client.bring(attempt, client.sign(attempt, member.name))
    client.forget_token()

    answer = press(client, kept, "take", htmx)

    assert answer.status == 422
    assert_says_nothing(answer)
    assert Alias.get_by_id(kept.id).person_id is None


@htmx_and_not
def test_a_second_code_at_once_is_refused_in_its_place(
    each_portal: Portal, client: Client, member: Account, kept: Alias, htmx: bool
) -> None:
    client.sign_in(member.name)
    press(client, kept, "code", htmx)

    answer = press(client, kept, "code", htmx)

    assert answer.status == 429
    assert_form(answer, htmx)
    assert "less than a minute ago" in answer.text


@htmx_and_not
def test_nobody_else_gets_near_it(
    each_portal: Portal,
    client: Client,
    kept: Alias,
    new_person: MakePerson,
    new_client: Callable[[], Client],
    htmx: bool,
) -> None:
    other = new_person("ubuntumembers")
    home = client.sign_in(other.name)
    assert kept.text not in home.text
    nobody = new_client()

    for browser in (client, nobody):
        for what in ("take", "code", "enter"):
            answer = press(browser, kept, what, htmx, code="12345678")
            assert answer.status in (303, 401, 404) or answer.header("HX-Redirect")
            assert_says_nothing(answer)
        assert browser.get(f"/kept/{kept.id}").status in (303, 302, 404)
    assert Alias.get_by_id(kept.id).person_id is None
    assert Reservation.get(Reservation.alias == kept).code_sent_at is None


def test_who_has_only_the_name_now_is_not_even_told(
    each_portal: Portal, client: Client, keep: Callable[..., Alias], new_person: MakePerson, world
) -> None:
    """The account of the list was renamed, and somebody else took its name."""
    first = new_person("ubuntumembers")
    kept = keep(first, OLD)
    world.rename(first.name, f"{first.name}-moved")
    taker = world.register(first.name)
    world.join(taker.name, "ubuntumembers")

    home = client.sign_in(taker.name)

    assert "/kept/" not in home.html
    assert "Somebody else has this address." in home.text
    assert client.get(f"/kept/{kept.id}").status == 404


def test_the_renamed_owner_is_offered_their_address_still(
    each_portal: Portal, client: Client, keep: Callable[..., Alias], new_person: MakePerson, world
) -> None:
    first = new_person("ubuntumembers")
    kept = keep(first, str(first.email))
    renamed = world.rename(first.name, f"{first.name}-moved")

    home = client.sign_in(renamed.name)

    assert home.page.one("a", href=f"/kept/{kept.id}")


def test_my_data_says_nothing_of_where_it_goes(
    each_portal: Portal, client: Client, member: Account, kept: Alias
) -> None:
    client.sign_in(member.name)

    answer = client.get("/account/export")

    assert kept.local_part in answer.html
    assert_says_nothing(answer)
