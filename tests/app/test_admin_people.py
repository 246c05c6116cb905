"""The admins' pages on people: the search, the card, what is done to a person and to an address."""

from collections.abc import Callable

import pytest

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Alias, AuditEntry, Domain, Person, Recipient, Session
from core.people import ban
from core.roles import Role
from core.routing import Hold, Switch
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.app.owner import Owner
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Answer, Client

NewAdmin = Callable[..., Admin]
NewPerson = Callable[..., Account]
NewClient = Callable[[], Client]
HTMX = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


@pytest.fixture
def admin(new_admin: NewAdmin) -> Admin:
    """An admin of the project."""
    return new_admin()


def path_of(owner: Owner) -> str:
    return f"/admin/people/{owner.person.id}"


def press(admin: Admin, owner: Owner, what: str, htmx: bool = False, /, **fields: str) -> Answer:
    """Press something on the card of a person."""
    return admin.client.post(what, fields, on=path_of(owner) if htmx else "")


def last_entry(admin: Admin) -> str:
    entries = AuditEntry.select().where(AuditEntry.actor == f"person:{admin.person.id}")
    return str(entries.order_by(AuditEntry.id.desc()).first().verb)


# -- the search -----------------------------------------------------------------------------------


@HTMX
@pytest.mark.parametrize("by", ["name", "alias", "address", "mailbox"])
def test_somebody_is_found(
    each_portal: Portal, admin: Admin, owner: Owner, member: Account, by: str, htmx: bool
) -> None:
    word = {"alias": owner.alias.local_part, "address": f"{member.name}@ubuntu.com"}.get(by, member.name)
    word = f"{member.name}@home" if by == "mailbox" else word
    answer = admin.client.get("/admin/people", on="/admin/people" if htmx else "")
    answer = admin.client.get(f"/admin/people?q={word}", on="/admin/people" if htmx else "")

    assert answer.is_whole_page is not htmx
    if not htmx:
        assert faults_of(answer.page) == []
        assert answer.page.one("input", id="q")["value"] == word
    rows = answer.page.one("tbody").all("tr")
    assert f"{member.name}@ubuntu.com" in rows[0].text
    assert rows[0].one("a")["href"] == path_of(owner)


def test_the_list_goes_on_with_the_same_filters(portal: Portal, admin: Admin) -> None:
    now = utc_now()
    rows = [{"launchpad_name": f"many{number:03}", "name_key": "", "created_at": now} for number in range(60)]
    Person.insert_many(rows).execute()
    first = admin.client.get("/admin/people?q=many&state=").page
    following = admin.client.get(first.one("a", rel="next")["href"]).page

    newest = admin.client.get(first.one("a", id="sort")["href"]).page
    assert "many059" in newest.one("tbody").all("tr")[0].text
    assert len(first.one("tbody").all("tr")) == 50
    assert len(following.one("tbody").all("tr")) == 10
    assert following.one("input", id="q")["value"] == "many"
    Person.delete().where(Person.launchpad_name.startswith("many")).execute()


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%25", "q=%C3%A4", "after=x", "after=-1", "state=x&domain=y", "q=" + "x" * 500]
)
def test_an_odd_search_finds_nobody_and_breaks_nothing(portal: Portal, admin: Admin, query: str) -> None:
    assert admin.client.get(f"/admin/people?{query}").status == 200


def test_an_auditor_does_not_find_by_private_addresses(
    portal: Portal, new_admin: NewAdmin, owner: Owner, member: Account
) -> None:
    auditor = new_admin(Role.AUDITOR)

    assert auditor.client.get(f"/admin/people?q={member.name}@home").page.all("tbody") == []
    assert auditor.client.get(f"/admin/people?q={member.name}").page.all("tbody") != []
    assert auditor.client.get(path_of(owner)).page.all("form", action=f"{path_of(owner)}/mailboxes") == []


def test_a_domains_admin_sees_their_own_people_and_addresses(
    portal: Portal, new_admin: NewAdmin, owner: Owner, member: Account
) -> None:
    here, elsewhere = new_admin(Role.DOMAIN_ADMIN, "ubuntu.com"), new_admin(Role.DOMAIN_ADMIN, "kubuntu.org")
    domain = Domain.get(Domain.name == "kubuntu.org")

    assert elsewhere.client.get(path_of(owner)).status == 404
    assert elsewhere.client.get(f"/admin/people?q={member.name}").page.all("tbody") == []
    now = utc_now()
    other = Alias.create(
        domain=domain, local_part=f"{member.name}.k", person=owner.person, switched_at=now, created_at=now
    )
    for who, shown, hidden in ((here, owner.alias, other), (elsewhere, other, owner.alias)):
        page = who.client.get(path_of(owner)).page
        assert faults_of(page) == []
        assert shown.text in page.one("div", id="person").text
        assert hidden.text not in page.text
        assert page.all("form", action=f"{path_of(owner)}/ban") == []
        assert who.client.post(f"/admin/addresses/{hidden.id}/hold").status == 403
    other.delete_instance()


# -- the card -------------------------------------------------------------------------------------


@HTMX
def test_private_addresses_are_masked_until_somebody_asks(
    each_portal: Portal, admin: Admin, owner: Owner, member: Account, htmx: bool
) -> None:
    page = admin.client.get(path_of(owner)).page
    assert faults_of(page) == []
    assert f"{member.name}@home.example.net" not in page.text
    assert f"{member.name[:2]}…@home.example.net" in page.text

    answer = press(admin, owner, f"{path_of(owner)}/mailboxes", htmx)
    assert answer.is_whole_page is not htmx
    assert f"{member.name}@home.example.net" in answer.text
    assert last_entry(admin) == "mailboxes-shown"


def test_the_card_shows_facts_with_their_age_and_what_happened(
    portal: Portal, admin: Admin, owner: Owner
) -> None:
    page = admin.client.get(path_of(owner)).page

    facts = page.one("section", aria_labelledby="facts")
    assert "In ubuntumembers yes" in facts.text
    assert "In lubuntu-members not known for sure “no” was said for the first time" in facts.text
    assert facts.all("time") != []
    assert "alias-claimed" in page.one("section", aria_labelledby="history").text


@pytest.mark.parametrize("person_id", [0, 999_999, 2**31 - 1])
def test_there_is_no_card_of_nobody(portal: Portal, admin: Admin, person_id: int) -> None:
    assert admin.client.get(f"/admin/people/{person_id}").status == 404


# -- what is done to a person ---------------------------------------------------------------------


@HTMX
def test_somebody_is_banned_and_that_is_lifted(
    each_portal: Portal, admin: Admin, owner: Owner, htmx: bool
) -> None:
    answer = press(admin, owner, f"{path_of(owner)}/ban", htmx)
    page = (answer if htmx else admin.client.follow(answer)).page
    assert "banned" in page.one("h1").text
    assert Person.get_by_id(owner.person.id).banned_at is not None
    assert Alias.get_by_id(owner.alias.id).hold == Hold.BAN
    assert owner.client.get("/home").status == 303

    press(admin, owner, f"{path_of(owner)}/unban", htmx)
    assert Alias.get_by_id(owner.alias.id).hold == Hold.NONE
    assert last_entry(admin) in ("alias-released", "person-unbanned")


def test_somebody_is_signed_out_everywhere(portal: Portal, admin: Admin, owner: Owner) -> None:
    assert "1 browser is signed in." in admin.client.get(path_of(owner)).text
    press(admin, owner, f"{path_of(owner)}/end-sessions")

    assert not Session.select().where(Session.person == owner.person).exists()
    assert last_entry(admin) == "sessions-ended"


@HTMX
def test_the_directory_is_asked_now(portal: Portal, admin: Admin, owner: Owner, htmx: bool) -> None:
    before = owner.person.asked_at
    answer = press(admin, owner, f"{path_of(owner)}/check", htmx)
    page = (answer if htmx else admin.client.follow(answer)).text

    assert "Launchpad answered." in page
    assert Person.get_by_id(owner.person.id).asked_at >= before


@HTMX
def test_nobody_bans_themselves(portal: Portal, admin: Admin, htmx: bool) -> None:
    path = f"/admin/people/{admin.person.id}"
    answer = admin.client.post(f"{path}/ban", on=path if htmx else "")

    assert (answer.status, answer.is_whole_page) == (422, not htmx)
    assert "another admin decides" in answer.text
    assert Person.get_by_id(admin.person.id).banned_at is None


# -- what is done to an address -------------------------------------------------------------------


@HTMX
def test_an_address_is_suspended_lifted_ended_and_its_name_released(
    each_portal: Portal, admin: Admin, owner: Owner, htmx: bool
) -> None:
    path = f"/admin/addresses/{owner.alias.id}"
    for what, hold in (("hold", Hold.ADMIN), ("lift", Hold.NONE)):
        answer = press(admin, owner, f"{path}/{what}", htmx)
        assert answer.location == ("" if htmx else path_of(owner))
        assert Alias.get_by_id(owner.alias.id).hold == hold
    press(admin, owner, f"{path}/end", htmx)
    assert Alias.get_by_id(owner.alias.id).switch == Switch.GIVEN_UP

    refused = press(admin, owner, f"{path}/release", htmx, confirm="yes")
    assert (refused.status, refused.is_whole_page) == (422, not htmx)
    assert "Type the whole address" in refused.page.one("p", id="release-error").text
    press(admin, owner, f"{path}/release", htmx, confirm=f" {owner.alias.text.upper()} ")
    assert not Alias.select().where(Alias.id == owner.alias.id).exists()
    assert last_entry(admin) == "name-released"


def test_a_name_in_use_is_not_released(portal: Portal, admin: Admin, owner: Owner) -> None:
    path = f"/admin/addresses/{owner.alias.id}/release"
    answer = press(admin, owner, path, confirm=owner.alias.text)

    assert answer.status == 422
    assert "in use" in answer.page.one("p", role="alert").text
    assert Alias.select().where(Alias.id == owner.alias.id).exists()


@HTMX
def test_an_address_moves_to_another_person(
    each_portal: Portal, admin: Admin, owner: Owner, new_client: NewClient, new_person: NewPerson, htmx: bool
) -> None:
    account = new_person("ubuntumembers")
    new_client().sign_in(account.name)
    to, path = person_of(account), f"/admin/addresses/{owner.alias.id}/move"
    on = path if htmx else ""

    assert faults_of(admin.client.get(path).page) == []
    assert "Nobody with this name" in admin.client.get(f"{path}?to=nosuchname", on=on).text
    part = admin.client.get(f"{path}?to={account.name.upper()}", on=on).page.one("section", id="move")
    assert part.one("form").one("input", name="person")["value"] == str(to.id)
    fields = {"to": account.name, "person": str(to.id), "confirm": "no"}
    refused = admin.client.post(path, fields, on=on)
    assert (refused.status, refused.is_whole_page) == (422, not htmx)
    assert "Type the whole address" in refused.page.one("p", id="move-error").text

    done = admin.client.post(path, fields | {"confirm": owner.alias.text}, on=on)
    assert (done.header("HX-Redirect") or done.location) == f"/admin/people/{to.id}"
    moved = Alias.get(Alias.person == to)
    assert moved.text == owner.alias.text
    assert owner.client.get(owner.path).status == 404
    mailboxes = [row.recipient.address for row in moved.alias_recipients]
    assert mailboxes == [f"{account.name}@home.example.net"]


def test_an_address_does_not_move_to_the_banned(
    portal: Portal, admin: Admin, owner: Owner, new_client: NewClient, new_person: NewPerson
) -> None:
    account = new_person("ubuntumembers")
    new_client().sign_in(account.name)
    to = person_of(account)
    ban(OPERATOR, to, utc_now())
    fields = {"to": account.name, "person": str(to.id), "confirm": owner.alias.text}
    answer = admin.client.post(f"/admin/addresses/{owner.alias.id}/move", fields)

    assert answer.status == 422
    assert "banned" in answer.page.one("p", id="move-error").text
    assert Alias.get_by_id(owner.alias.id).person_id == owner.person.id


def test_an_address_does_not_move_to_a_number_that_nobody_has(
    each_portal: Portal, admin: Admin, owner: Owner
) -> None:
    for number in ("0", "2147483647", "99999999999999999999"):
        fields = {"to": admin.account.name, "person": number, "confirm": owner.alias.text}
        answer = admin.client.post(f"/admin/addresses/{owner.alias.id}/move", fields)
        assert answer.status == 422
        assert "no such person" in answer.page.one("p", id="move-error").text
    assert Alias.get_by_id(owner.alias.id).person_id == owner.person.id


# -- mailboxes that refuse mail -------------------------------------------------------------------


def test_a_failing_mailbox_is_listed_masked_with_its_age(
    each_portal: Portal, admin: Admin, owner: Owner, member: Account
) -> None:
    Recipient.update(failing_since=utc_now(), failing_with="5.1.1").where(
        Recipient.person == owner.person
    ).execute()
    page = admin.client.get("/admin/failing").page

    assert faults_of(page) == []
    row = next(one for one in page.one("tbody").all("tr") if owner.alias.text in one.text)
    assert f"{member.name}@home.example.net" not in row.text
    assert "5.1.1" in row.text
    assert "just now" in row.text
    Recipient.update(failing_since=None).execute()
