"""The admins' pages on domains: adding one, its page, its DNS page, and the link to that."""

import itertools
import json
import re
from collections.abc import Callable, Iterator

import pytest

from core.audit import OPERATOR, first_fault
from core.database import utc_now
from core.domains import add_domain, find_domain, verification_record
from core.models import (
    AuditEntry,
    AuditSubject,
    Domain,
    DomainTeam,
    Recipient,
    ReservedName,
    RoleGrant,
    Session,
)
from core.roles import Role
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.app.admins import sign_in_as
from tests.app.conftest import MakePerson
from tests.support.arrange import later
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

PREFIX = "waypost-site-verification="
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def no_role_is_left(portal: Portal) -> Iterator[None]:
    """The other tests have no admins: what admins are told goes to the ops address there."""
    yield
    RoleGrant.delete().execute()
    Recipient.update(failing_since=None).execute()


@pytest.fixture
def admin(client: Client, member: Account) -> Client:
    """The browser of an admin of the project, who has just signed in."""
    sign_in_as(client, member, Role.PROJECT_ADMIN)
    return client


@pytest.fixture
def name() -> str:
    """A domain that no other test knows."""
    return f"added{next(_numbers)}.example.org"


@pytest.fixture
def served(name: str) -> Domain:
    """A domain that was added and is not proven."""
    return add_domain(OPERATOR, name, ["ubuntumembers"], utc_now())


def form(name: str, **typed: str) -> dict[str, str]:
    usual = {"teams": "ubuntumembers", "coc": "yes", "way": "claim", "grace": "90", "do": "save"}
    return usual | {"name": name} | typed


def again(domain: Domain) -> Domain:
    return Domain.get_by_id(domain.id)


def verbs_of(domain: Domain) -> list[str]:
    about = (AuditSubject.name == "domain") & (AuditSubject.row_id == domain.id)
    entries = AuditEntry.select().join(AuditSubject).where(about).order_by(AuditEntry.id)
    return [entry.verb for entry in entries]


def is_part_or_page(answer: Answer, htmx: bool) -> bool:
    return answer.is_whole_page is not htmx and (htmx or faults_of(answer.page) == [])


# -- adding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True])
def test_one_form_adds_a_domain_with_all_that_belongs_to_it(
    each_portal: Portal,
    admin: Client,
    new_client: Callable[[], Client],
    new_person: MakePerson,
    name: str,
    htmx: bool,
) -> None:
    helper = new_person("ubuntumembers")
    new_client().sign_in(helper.name)
    assert faults_of(admin.get("/admin/domains/new").page) == []

    typed = {"coc": "", "way": "automatic", "grace": "30", "dmarc": "quarantine"}
    typed |= {"teams": "ubuntumembers\nkubuntu-members", "reserved": "press, Board", "admins": helper.name}
    answer = admin.post("/admin/domains/new", form(name, **typed), on="/admin/domains/new" if htmx else "")

    row = find_domain(name)
    assert row is not None
    page = f"/admin/domains/{row.id}"
    assert (answer.header("HX-Redirect") if htmx else answer.location).endswith(page)
    assert (row.coc_required, row.automatic, row.grace_days, row.dmarc_policy) == (
        False,
        True,
        30,
        "quarantine",
    )
    assert {team.team for team in DomainTeam.select().where(DomainTeam.domain == row)} == {
        "ubuntumembers",
        "kubuntu-members",
    }
    kept = ReservedName.select().where(ReservedName.domain == row)
    assert {each.local_part for each in kept} == {"press", "board"}
    assert not row.waits_for_admin  # the helper has a proven mailbox
    assert verbs_of(row) == ["domain-added", "domain-reserved-names", "domain-has-admin"]
    shown = admin.get(page)
    assert faults_of(shown.page) == []
    assert helper.name in shown.text
    assert verification_record(row, PREFIX) in shown.text
    assert first_fault() is None


def test_without_an_admin_who_can_be_reached_it_gives_out_no_names(
    portal: Portal, admin: Client, name: str
) -> None:
    Recipient.update(failing_since=utc_now()).execute()
    admin.post("/admin/domains/new", form(name))
    row = find_domain(name)

    assert row is not None
    assert row.waits_for_admin
    assert "Nobody can be reached" in admin.get(f"/admin/domains/{row.id}").text


@pytest.mark.parametrize("htmx", [False, True])
def test_teams_are_looked_up_with_their_members_and_nothing_typed_is_lost(
    portal: Portal, admin: Client, name: str, htmx: bool
) -> None:
    typed = form(name, do="look", teams="ubuntumembers no-such-team", reserved="press", grace="33")
    answer = admin.post("/admin/domains/new", typed, on="/admin/domains/new" if htmx else "")

    assert is_part_or_page(answer, htmx)
    looked = answer.page.one("div", id="team-looks").text
    assert re.search(r"ubuntumembers: [1-9]\d* members", looked)
    assert "no-such-team: there is no such team" in looked
    assert answer.page.one("input", id="name")["value"] == name
    assert answer.page.one("input", id="grace")["value"] == "33"
    assert answer.page.one("textarea", id="reserved").text.strip() == "press"
    assert find_domain(name) is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "no domain"}, "looks like example.org"),
        ({"name": "*.example.org"}, "looks like example.org"),
        ({"name": "co.uk"}, "Strangers have domains below"),
        ({"name": "ubuntu.com"}, "is there already"),
        ({"teams": " "}, "Name a team"),
        ({"teams": "no-such-team"}, "There is no team named no-such-team."),
        ({"teams": "../../etc"}, "is no name of a team"),
        ({"grace": "0"}, "1 to 730 days"),
        ({"grace": "٣"}, "1 to 730 days"),
        ({"dmarc": "maybe"}, "none, quarantine or reject"),
        ({"reserved": "a@b"}, "cannot stand before"),
        ({"admins": "nobody-here"}, "Nobody named nobody-here"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    portal: Portal, admin: Client, name: str, typed: dict[str, str], sentence: str
) -> None:
    before = Domain.select().count()
    answer = admin.post("/admin/domains/new", form(name) | typed)

    assert answer.status == 422
    assert sentence in answer.page.one("p", id="form-error").text
    assert Domain.select().count() == before


def test_nobody_makes_themselves_an_admin(portal: Portal, admin: Client, member: Account, name: str) -> None:
    answer = admin.post("/admin/domains/new", form(name, admins=member.name))

    assert answer.status == 422
    assert "Nobody gives a role to themselves" in answer.text
    assert find_domain(name) is None


# -- its page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True])
def test_check_now_proves_the_domain_in_place(
    portal: Portal, admin: Client, outside: PretendServers, served: Domain, htmx: bool
) -> None:
    page = f"/admin/domains/{served.id}"
    absent = admin.post(f"{page}/check", on=page if htmx else "")
    assert is_part_or_page(absent, htmx)
    assert "not proven yet" in absent.text
    assert "the record is not there" in absent.text

    other = f"{PREFIX}of-another-service"
    outside.resolver.add(served.name, "TXT", verification_record(served, PREFIX), other)
    found = admin.post(f"{page}/check", on=page if htmx else "")
    outside.resolver.remove(served.name)
    assert other in found.text
    assert again(served).verified_at is not None

    outside.resolver.trouble(served.name, "servfail")
    outside.resolver.trouble(f"_waypost.{served.name}", "servfail")
    unknown = admin.post(f"{page}/check", on=page if htmx else "")
    outside.resolver.heal()
    assert "DNS gave no clear answer" in unknown.text
    assert again(served).proof_missing_since is None


def test_a_closed_domain_says_so(portal: Portal, admin: Client, served: Domain) -> None:
    now = utc_now()
    columns = {"verified_at": now, "proof_missing_since": later(now, days=-8), "closed_at": now}
    Domain.update(columns).where(Domain.id == served.id).execute()

    assert "No new names are given out until it is back" in admin.get(f"/admin/domains/{served.id}").text
    assert "not proven any more" in admin.get("/admin/domains").text


def test_rules_are_changed_and_the_record_has_before_and_after(
    portal: Portal, admin: Client, served: Domain
) -> None:
    page = f"/admin/domains/{served.id}"
    assert admin.get(f"{page}/rules").page.one("textarea", id="teams").text.strip() == "ubuntumembers"
    changed = form("", teams="kubuntu-members", coc="", grace="14")
    assert admin.post(f"{page}/rules", changed).location.endswith(page)

    row = again(served)
    assert (row.grace_days, row.coc_required) == (14, False)
    assert verbs_of(row)[-1] == "domain-rules-changed"
    refused = admin.post(f"{page}/rules", form("", teams="no-such-team"))
    assert refused.status == 422


def test_an_admin_of_the_domain_is_added_and_taken_away(
    portal: Portal, admin: Client, new_client: Callable[[], Client], new_person: MakePerson, served: Domain
) -> None:
    helper = new_person("ubuntumembers")
    new_client().sign_in(helper.name)
    page = f"/admin/domains/{served.id}"
    added = admin.post(f"{page}/admins", {"admin": helper.name}, on=page)
    assert f"{helper.name} is an admin of the domain now." in added.text
    assert "already" in admin.post(f"{page}/admins", {"admin": helper.name}, on=page).text

    forms = [each["action"] for each in added.page.all("form") if each["action"].endswith("/remove")]
    (remove,) = [action for action in forms if "/admins/" in action]
    admin.post(remove)
    assert helper.name not in admin.get(page).text
    assert admin.post(remove).status == 404


@pytest.mark.parametrize("htmx", [False, True])
def test_a_domain_goes_only_when_its_name_is_typed(
    portal: Portal, admin: Client, served: Domain, htmx: bool
) -> None:
    page = f"/admin/domains/{served.id}"
    refused = admin.post(f"{page}/remove", {"name": "other.example.org"}, on=page if htmx else "")
    assert refused.status == 422
    assert is_part_or_page(refused, htmx)
    assert again(served).removed_at is None

    admin.post(f"{page}/remove", {"name": served.name.upper()}, on=page if htmx else "")
    assert again(served).removed_at is not None
    assert verbs_of(served)[-1] == "domain-removed"
    assert admin.get(page).status == 404


@pytest.mark.parametrize("path", ["/remove", "/admins", "/rules"])
def test_what_is_dangerous_asks_for_a_fresh_sign_in(
    portal: Portal, admin: Client, served: Domain, path: str
) -> None:
    Session.update(authenticated_at=later(utc_now(), hours=-2)).execute()
    answer = admin.post(f"/admin/domains/{served.id}{path}", {"name": served.name})

    assert answer.location.startswith("/login/again")
    assert again(served).removed_at is None


# -- the DNS page and its link --------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True])
def test_the_dns_page_shows_expected_beside_found(
    portal: Portal, admin: Client, outside: PretendServers, served: Domain, htmx: bool
) -> None:
    page = f"/admin/domains/{served.id}/dns"
    outside.resolver.add(served.name, "MX", "10 mx.elsewhere.example.")
    before = admin.get(page)
    after = admin.post(page, {"fresh": "yes"}, on=page if htmx else "")
    outside.resolver.remove(served.name)

    assert faults_of(before.page) == []
    assert verification_record(served, PREFIX) in before.text
    assert is_part_or_page(after, htmx)
    errors = after.page.one("section", **{"aria-labelledby": "level-error"}).text
    assert "10 mx.waypost.example" in errors
    assert "10 mx.elsewhere.example" in errors
    assert "not to the relay" in errors


def test_the_zone_file_is_a_download(portal: Portal, admin: Client, served: Domain) -> None:
    answer = admin.get(f"/admin/domains/{served.id}/zone")

    assert answer.header("Content-Disposition") == f'attachment; filename="{served.name}.zone"'
    assert f'{served.name}. IN TXT "{verification_record(served, PREFIX)}"' in answer.html.splitlines()


def test_a_link_shows_the_dns_page_to_anybody_until_it_is_revoked(
    portal: Portal, admin: Client, new_client: Callable[[], Client], served: Domain
) -> None:
    page = f"/admin/domains/{served.id}"
    made = admin.post(f"{page}/link", on=page)
    link = made.page.one("code", id="dns-link").text.removeprefix(portal.url)
    stranger = new_client()
    shown = stranger.get(link)

    assert shown.status == 200
    assert faults_of(shown.page) == []
    assert verification_record(served, PREFIX) in shown.text
    assert shown.header("X-Robots-Tag") == "noindex"
    assert stranger.get(f"{link}/zone").status == 200
    checked = stranger.post(link, {"fresh": "yes"})
    assert "The record that proves the domain is not there." in checked.text
    assert "admins" not in shown.page.one("main").text.lower()

    assert stranger.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status == 404
    admin.post(f"{page}/link")
    assert stranger.get(link).status == 404  # there is a newer one
    newer = admin.get(page).page.one("code", id="dns-link").text.removeprefix(portal.url)
    admin.post(f"{page}/link/revoke")
    assert stranger.get(newer).status == 404
    assert verbs_of(served)[-3:] == ["dns-link-made", "dns-link-made", "dns-link-revoked"]


@pytest.mark.parametrize("token", ["1", "0-", "1-x", "-", "9999999999-a", "1-" + "0" * 40, "%00", "1-é"])
def test_a_guessed_link_shows_nothing(portal: Portal, client: Client, token: str) -> None:
    assert client.get(f"/dns/{token}").status == 404


# -- who may --------------------------------------------------------------------------------------


def test_an_admin_of_a_domain_sees_and_changes_theirs_alone(
    portal: Portal, client: Client, member: Account, served: Domain
) -> None:
    mine = add_domain(OPERATOR, f"mine-{served.name}", ["ubuntumembers"], utc_now())
    sign_in_as(client, member, Role.DOMAIN_ADMIN, mine.name)

    assert [link.text for link in client.get("/admin/domains").page.one("table").all("a")] == [mine.name]
    assert client.get(f"/admin/domains/{served.id}").status == 404
    assert client.post(f"/admin/domains/{served.id}/rules", form("")).status == 404
    assert client.get("/admin/domains/new").status == 403
    assert client.post(f"/admin/domains/{mine.id}/remove", {"name": mine.name}).status == 403
    assert client.post(f"/admin/domains/{mine.id}/admins", {"admin": "x"}).status == 403
    assert client.post(f"/admin/domains/{mine.id}/rules", form("", grace="5")).status == 303
    assert again(mine).grace_days == 5


def test_an_auditor_sees_all_and_changes_nothing(
    portal: Portal, client: Client, member: Account, served: Domain
) -> None:
    sign_in_as(client, member, Role.AUDITOR)
    page = f"/admin/domains/{served.id}"

    assert client.get(page).page.all("form")[0]["action"] == "/logout"
    assert "Make a link" not in client.get(page).text
    for path in ("/check", "/rules", "/link", "/link/revoke", "/remove", "/admins"):
        assert client.post(page + path, form("")).status == 403


def test_the_record_of_changes_names_no_token(portal: Portal, admin: Client, served: Domain) -> None:
    admin.post(f"/admin/domains/{served.id}/link")
    about = (AuditSubject.name == "domain") & (AuditSubject.row_id == served.id)
    entries = AuditEntry.select().join(AuditSubject).where(about)

    assert all(json.loads(entry.subject_ids) == {"domain": served.id} for entry in entries)
