"""The admins' pages on reserved names: keeping one back, letting it go, and look-alikes."""

from collections.abc import Callable

import pytest

from core.models import Alias, AuditEntry, Domain, ReservedName
from core.roles import Role
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

NewClient = Callable[[], Client]
NewPerson = Callable[..., Account]
NewAdmin = Callable[..., Admin]


@pytest.fixture
def admin(new_admin: NewAdmin) -> Admin:
    """An admin of the project."""
    return new_admin()


@pytest.fixture
def domain_admin(new_admin: NewAdmin) -> Admin:
    """An admin of ubuntu.com alone."""
    return new_admin(Role.DOMAIN_ADMIN, "ubuntu.com")


def keep(who: Admin, name: str, domain: str = "", *, htmx: bool = False) -> Answer:
    return who.client.post(
        "/admin/names", {"name": name, "domain": domain}, on="/admin/names" if htmx else ""
    )


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_name_is_kept_back_and_let_go(
    each_portal: Portal, admin: Admin, new_client: NewClient, new_person: NewPerson, htmx: bool
) -> None:
    member = new_person("ubuntumembers")
    answer = keep(admin, f" {member.name.upper()} ", "ubuntu.com", htmx=htmx)
    row = ReservedName.get(ReservedName.local_part == member.name)

    assert answer.is_whole_page is not htmx or answer.location == "/admin/names"
    assert row.domain.name == "ubuntu.com"
    page = admin.client.get("/admin/names").page
    assert faults_of(page) == []
    assert member.name in page.one("section", id="names").text
    client = new_client()
    client.sign_in(member.name)
    client.post("/domains/ubuntu.com/claim")
    assert not Alias.select().where(Alias.local_part == member.name).exists()

    admin.client.post(f"/admin/names/{row.id}/let-go", on="/admin/names" if htmx else "")
    client.post("/domains/ubuntu.com/claim")
    assert Alias.select().where(Alias.local_part == member.name).exists()
    verbs = [
        entry.verb for entry in AuditEntry.select().where(AuditEntry.actor == f"person:{admin.person.id}")
    ]
    assert verbs[-2:] == ["name-kept-back", "name-let-go"]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(
    ("name", "words"), [("a b", "letters from a to z"), ("Postmaster", "everywhere already"), ("", "letters")]
)
def test_what_is_no_such_name_is_said_beside_the_field(
    portal: Portal, admin: Admin, name: str, words: str, htmx: bool
) -> None:
    answer = keep(admin, name, htmx=htmx)

    assert (answer.status, answer.is_whole_page) == (422, not htmx)
    assert words in answer.page.one("p", id="name-error").text
    assert answer.page.one("input", id="name")["value"] == name
    assert answer.page.one("input", id="name")["aria-describedby"] == "name-error"


def test_a_domain_admin_keeps_names_back_on_their_own_domain_alone(
    portal: Portal, domain_admin: Admin, admin: Admin
) -> None:
    keep(admin, "everywhere.x")
    keep(admin, "elsewhere.x", "kubuntu.org")
    everywhere = ReservedName.get(ReservedName.local_part == "everywhere.x")
    elsewhere = ReservedName.get(ReservedName.local_part == "elsewhere.x")

    assert keep(domain_admin, "own.x", "ubuntu.com").location == "/admin/names"
    assert keep(domain_admin, "own.y", "kubuntu.org").status == 403
    assert keep(domain_admin, "own.y").status == 403
    assert keep(domain_admin, "own.y", "evil.example").status == 400
    for row in (everywhere, elsewhere):
        assert domain_admin.client.post(f"/admin/names/{row.id}/let-go").status == 403
    shown = domain_admin.client.get("/admin/names").page.one("section", id="names")
    assert "everywhere.x" in shown.text
    assert "elsewhere.x" not in shown.text
    assert [one["value"] for one in shown.all("option")] == ["ubuntu.com"]


def test_an_auditor_reads_and_changes_nothing(portal: Portal, new_admin: NewAdmin) -> None:
    auditor = new_admin(Role.AUDITOR)

    assert auditor.client.get("/admin/names").page.one("section", id="names").all("form") == []
    assert keep(auditor, "any.x").status == 403


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_look_alike_is_listed_until_an_admin_has_looked(
    each_portal: Portal, domain_admin: Admin, new_client: NewClient, new_person: NewPerson, htmx: bool
) -> None:
    Alias.update(looks_like=None).execute()
    member = new_person("ubuntumembers", name=f"p0stmaster{new_person().name[6:]}")
    client = new_client()
    client.sign_in(member.name)
    client.post("/domains/ubuntu.com/claim")
    alias = Alias.get(Alias.local_part == member.name)

    page = domain_admin.client.get("/admin/names/look-alikes").page
    assert faults_of(page) == []
    assert f"{member.name}@ubuntu.com postmaster {member.name}" in page.one("tbody").text
    on = "/admin/names/look-alikes" if htmx else ""
    answer = domain_admin.client.post(f"/admin/names/look-alikes/{alias.id}/accept", on=on)
    assert answer.location == ("" if htmx else "/admin/names/look-alikes")
    assert domain_admin.client.get("/admin/names/look-alikes").page.all("tbody") == []
    again = domain_admin.client.post(f"/admin/names/look-alikes/{alias.id}/accept", on=on)
    assert (again.status, again.is_whole_page) == (409, not htmx)


def test_a_look_alike_on_another_domain_is_none_of_theirs(portal: Portal, domain_admin: Admin) -> None:
    domain = Domain.get(Domain.name == "kubuntu.org")
    fields = {"local_part": "adm1n", "looks_like": "admin", "switched_at": domain.added_at}
    alias = Alias.create(domain=domain, created_at=domain.added_at, **fields)

    assert "adm1n" not in domain_admin.client.get("/admin/names/look-alikes").text
    assert domain_admin.client.post(f"/admin/names/look-alikes/{alias.id}/accept").status == 403
    alias.delete_instance()
