"""Roles on their page: given, taken, and never to oneself."""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from core.audit import OPERATOR
from core.database import utc_now, write
from core.models import AuditEntry, Identity, Membership, Person, RoleGrant, RoleTeam
from core.roles import Role, grant_to_team
from devtools.accounts import Account
from tests.app.admins import Admin, sign_in_as
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

NewAdmin = Callable[..., Admin]


@pytest.fixture
def somebody(new_client: Callable[[], Client], member: Account) -> Iterator[Person]:
    """Somebody who has signed in."""
    person = sign_in_as(new_client(), member)
    yield person
    RoleGrant.delete().where(RoleGrant.subject.in_(subjects(person))).execute()


def subjects(person: Person) -> list[str]:
    return [row.subject for row in Identity.select().where(Identity.person == person)]


def roles_of(person: Person) -> list[tuple[str, str | None]]:
    rows = RoleGrant.select().where(RoleGrant.subject.in_(subjects(person))).order_by(RoleGrant.id)
    return [(row.role, row.domain.name if row.domain else None) for row in rows]


def give(client: Client, person: Person, htmx: bool = False, /, **fields: object) -> Answer:
    fields = {"identity": Identity.get(Identity.person == person).id, "role": "auditor"} | fields
    answer = client.post("/admin/roles", fields, on="/admin/roles" if htmx else "")
    return answer if htmx else client.follow(answer)


@pytest.mark.parametrize("by", ["name", "identity"])
def test_somebody_is_found_by_name_or_identity(
    portal: Portal, new_admin: NewAdmin, somebody: Person, by: str
) -> None:
    who = somebody.launchpad_name if by == "name" else subjects(somebody)[0]
    answer = new_admin().client.get(f"/admin/roles?{urlencode({'who': str(who)})}")

    assert faults_of(answer.page) == []
    form = answer.page.one("section", aria_labelledby="give")
    assert subjects(somebody)[0] in form.text
    assert form.one("input", type="radio")["value"] == str(Identity.get(Identity.person == somebody).id)


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize(
    ("role", "domain"),
    [(Role.AUDITOR, None), (Role.PROJECT_ADMIN, None), (Role.DOMAIN_ADMIN, "kubuntu.org")],
)
def test_a_role_is_given_and_taken(
    portal: Portal, new_admin: NewAdmin, somebody: Person, role: Role, domain: str | None, htmx: bool
) -> None:
    client = new_admin().client

    answer = give(client, somebody, htmx, role=role, domain="kubuntu.org")
    assert answer.status == 200
    assert "The role is given." in answer.text
    assert roles_of(somebody) == [(role, domain)]

    number = RoleGrant.get(RoleGrant.subject.in_(subjects(somebody))).id
    taken = client.post(f"/admin/roles/{number}/revoke", on="/admin/roles" if htmx else "")
    assert taken.status in (200, 303)
    assert roles_of(somebody) == []
    verbs = [row.verb for row in AuditEntry.select().order_by(AuditEntry.id.desc()).limit(2)]
    assert verbs == ["role-revoked", "role-granted"]


@pytest.mark.parametrize("role", list(Role))
def test_nobody_gives_a_role_to_themselves(portal: Portal, new_admin: NewAdmin, role: Role) -> None:
    admin = new_admin()

    answer = give(admin.client, admin.person, role=role, domain="ubuntu.com")

    assert answer.status == 422
    assert "Nobody gives a role to themselves." in answer.text
    assert roles_of(admin.person) == [(Role.PROJECT_ADMIN, None)]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.DOMAIN_ADMIN])
def test_only_an_admin_of_the_project_gives_roles(
    portal: Portal, new_admin: NewAdmin, somebody: Person, role: Role
) -> None:
    admin = new_admin(role, "ubuntu.com" if role is Role.DOMAIN_ADMIN else "")

    assert give(admin.client, somebody).status == 403
    assert give(admin.client, admin.person, role="project_admin").status == 403
    assert roles_of(somebody) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "owner"},
        {"identity": 0},
        {"identity": "x"},
        {"role": "domain_admin", "domain": "evil.example"},
    ],
)
def test_what_does_not_do_is_refused(
    portal: Portal, new_admin: NewAdmin, somebody: Person, fields: dict[str, object]
) -> None:
    assert give(new_admin().client, somebody, **fields).status == 422
    assert roles_of(somebody) == []


def test_a_role_that_is_taken_counts_at_once(portal: Portal, new_admin: NewAdmin) -> None:
    admin = new_admin()
    assert admin.client.get("/admin").status == 200

    RoleGrant.delete().where(RoleGrant.subject.in_(subjects(admin.person))).execute()

    assert admin.client.get("/admin").status == 403


def test_whoever_is_in_a_team_has_its_role_until_it_is_taken(
    portal: Portal, new_admin: NewAdmin, client: Client, member: Account
) -> None:
    person = sign_in_as(client, member)
    grant_to_team(OPERATOR, "admins-of-all", Role.AUDITOR, None, utc_now())
    assert client.get("/admin/audit").status == 403
    with write():
        Membership.create(person=person, team="admins-of-all", holds=True, since=utc_now(), read_at=utc_now())
    assert client.get("/admin/audit").status == 200

    boss = new_admin().client
    assert "admins-of-all" in boss.get("/admin/roles").text
    boss.post(f"/admin/roles/teams/{RoleTeam.get().id}/revoke")

    assert RoleTeam.select().count() == 0
    assert client.get("/admin/audit").status == 403
