"""Role addresses on the pages: made by admins, seen and set by their owners."""

from collections.abc import Callable

import pytest

from core.models import Alias, AliasOwner, Recipient
from core.roles import Role
from core.routing import Switch
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.app.owner import Owner
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

NewAdmin = Callable[..., Admin]
HTMX = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


@pytest.fixture
def admin(new_admin: NewAdmin) -> Admin:
    """An admin of ubuntu.com."""
    return new_admin(Role.DOMAIN_ADMIN, "ubuntu.com")


def make(admin: Admin, owners: str, name: str = "", domain: str = "ubuntu.com", htmx: bool = False) -> Answer:
    fields = {"name": name or f"team.{owners.split(maxsplit=1)[0]}", "domain": domain, "owners": owners}
    return admin.client.post("/admin/role-addresses", fields, on="/admin/role-addresses" if htmx else "")


@pytest.fixture
def shared(admin: Admin, owner: Owner, member: Account) -> Alias:
    """team.NAME@ubuntu.com, which the owner owns."""
    make(admin, member.name)
    return Alias.get(Alias.local_part == f"team.{member.name}")


@HTMX
def test_an_admin_makes_one_and_sees_who_stands_behind_it(
    each_portal: Portal, admin: Admin, owner: Owner, member: Account, htmx: bool
) -> None:
    assert faults_of(admin.client.get("/admin/role-addresses").page) == []
    answer = make(admin, f" {member.name.upper()}\r\n", htmx=htmx, name=f"team.{member.name}")
    shared = Alias.get(Alias.local_part == f"team.{member.name}")
    assert (answer.header("HX-Redirect") or answer.location) == f"/admin/role-addresses/{shared.id}"

    page = admin.client.get(f"/admin/role-addresses/{shared.id}").page
    assert faults_of(page) == []
    row = page.one("tbody").text
    assert member.name in row
    assert f"{member.name[:2]}…@home.example.net" in row
    assert "gets its mail" in row
    assert f"{member.name}@home.example.net" not in page.text
    assert shared.text in admin.client.get("/admin/role-addresses").text


@HTMX
@pytest.mark.parametrize(
    ("owners", "name", "fault"),
    [
        ("nosuchname", "team.x", ("owners", "Nobody named nosuchname")),
        ("{member}", "a b", ("name", "letters from a to z")),
    ],
)
def test_what_cannot_be_made_is_said(
    portal: Portal,
    admin: Admin,
    owner: Owner,
    member: Account,
    owners: str,
    name: str,
    fault: tuple[str, str],
    htmx: bool,
) -> None:
    answer = make(admin, owners.format(member=member.name), name, htmx=htmx)

    assert (answer.status, answer.is_whole_page) == (422, not htmx)
    field, words = fault
    assert words in answer.page.one("p", id="make-error").text
    assert answer.page.one("input", id="name")["value"] == name
    (marked,) = answer.page.all(aria_invalid="true")
    assert (marked["id"], marked.get("autofocus")) == (field, "")


def test_admins_of_other_domains_see_nothing_of_it(
    portal: Portal, new_admin: NewAdmin, shared: Alias, owner: Owner
) -> None:
    other, auditor = new_admin(Role.DOMAIN_ADMIN, "kubuntu.org"), new_admin(Role.AUDITOR)
    path = f"/admin/role-addresses/{shared.id}"

    assert other.client.get(path).status == 404
    assert other.client.post(f"{path}/owners", {"owner": "x"}).status == 404
    assert make(other, "x").status == 403
    assert auditor.client.get(path).page.one("div", id="role-address").all("form") == []
    assert auditor.client.post(f"{path}/end").status == 403
    assert other.client.get(f"/admin/role-addresses/{owner.alias.id}").status == 404


@HTMX
def test_owners_are_added_and_taken_out(
    each_portal: Portal,
    admin: Admin,
    shared: Alias,
    owner: Owner,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
    htmx: bool,
) -> None:
    account = new_person("ubuntumembers")
    second = Owner(new_client(), account)
    path = f"/admin/role-addresses/{shared.id}"
    on = path if htmx else ""
    refused = admin.client.post(f"{path}/owners", {"owner": "nosuchname"}, on=on)
    assert (refused.status, refused.is_whole_page) == (422, not htmx)
    assert "Nobody named" in refused.page.one("p", id="owner-error").text

    admin.client.post(f"{path}/owners", {"owner": account.name}, on=on)
    assert AliasOwner.select().where(AliasOwner.alias == shared).count() == 2
    assert shared.text in second.client.get("/home").text
    admin.client.post(f"{path}/owners/{owner.person.id}/remove", on=on)
    assert [row.person_id for row in AliasOwner.select().where(AliasOwner.alias == shared)] == [
        second.person.id
    ]
    assert owner.client.get(f"/role-addresses/{shared.id}").status == 404
    assert shared.text not in owner.client.get("/home").text


@HTMX
def test_one_ends_when_it_was_typed(portal: Portal, admin: Admin, shared: Alias, htmx: bool) -> None:
    path = f"/admin/role-addresses/{shared.id}"
    on = path if htmx else ""
    refused = admin.client.post(f"{path}/end", {"confirm": "yes"}, on=on)
    assert (refused.status, refused.is_whole_page) == (422, not htmx)
    admin.client.post(f"{path}/end", {"confirm": shared.text}, on=on)

    assert Alias.get_by_id(shared.id).switch == Switch.GIVEN_UP
    assert admin.client.get(path).page.one("div", id="role-address").all("form") == []


# -- its owner ------------------------------------------------------------------------------------


@HTMX
def test_an_owner_sees_it_on_home_and_sets_their_own_mailboxes(
    each_portal: Portal, owner: Owner, shared: Alias, member: Account, htmx: bool
) -> None:
    path = f"/role-addresses/{shared.id}"
    home = owner.client.get("/home").page
    assert faults_of(home) == []
    assert home.one("section", aria_labelledby="role-addresses").one("a")["href"] == path
    page = owner.client.get(path).page
    assert faults_of(page) == []
    assert f"{member.name}@home.example.net confirmed" in page.one("ul", class_="recipients").text

    on = path if htmx else ""
    refused = owner.client.post(f"{path}/recipients", {"recipient": "x"}, on=on)
    assert (refused.status, refused.is_whole_page) == (422, not htmx)
    assert refused.page.one("input", id="recipient")["value"] == "x"
    owner.client.post(f"{path}/recipients", {"recipient": f"{member.name}@new.example.net"}, on=on)
    new = Recipient.get(Recipient.address == f"{member.name}@new.example.net")
    assert "not confirmed" in owner.client.get(path).text
    early = owner.client.post(f"{path}/recipients/{new.id}/resend", on=on)
    assert (early.status, early.is_whole_page) == (429, not htmx)
    owner.client.post(f"{path}/recipients/{new.id}/remove", on=on)
    assert f"{member.name}@new.example.net" not in owner.client.get(path).text


def test_nobody_else_sees_it(
    portal: Portal,
    shared: Alias,
    owner: Owner,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
) -> None:
    stranger = new_client()
    stranger.sign_in(new_person("ubuntumembers").name)
    path = f"/role-addresses/{shared.id}"
    recipient = Recipient.get(Recipient.person == owner.person)

    assert stranger.get(path).status == 404
    assert stranger.post(f"{path}/recipients", {"recipient": "x@home.example.net"}).status == 404
    assert stranger.post(f"{path}/recipients/{recipient.id}/remove").status == 404
    assert owner.client.get(f"/role-addresses/{owner.alias.id}").status == 404
