"""The admins' pages for many people at once: the dry run and the run, worked by the job's own function."""

from collections.abc import Callable

import pytest

from core.bulk import work
from core.database import utc_now
from core.models import Alias, BulkRun
from core.roles import Role
from core.routing import Hold
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.app.owner import Owner
from tests.support.page import faults_of
from tests.support.portal import Portal

NewAdmin = Callable[..., Admin]
HTMX = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


@pytest.fixture
def admin(new_admin: NewAdmin) -> Admin:
    """An admin of the project."""
    return new_admin()


def work_on(portal: Portal) -> None:
    """Do what the job does."""
    for run in BulkRun.select().where(BulkRun.finished_at.is_null()):
        work(run.id, portal.settings.admins, lambda _person_id: True, utc_now)


@HTMX
@pytest.mark.parametrize("by", ["ticks", "names"])
def test_from_the_choice_over_the_dry_run_to_the_run(
    each_portal: Portal, admin: Admin, owner: Owner, member: Account, by: str, htmx: bool
) -> None:
    fields = {"person": str(owner.person.id)} if by == "ticks" else {"names": f" {member.name}\r\n\r\n"}
    begun = admin.client.post("/admin/bulk", {"action": "hold"} | fields, on="/admin/bulk" if htmx else "")
    path = begun.header("HX-Redirect") or begun.location
    waiting = admin.client.get(path).page
    assert faults_of(waiting) == []
    assert "0 of 1" in waiting.text
    assert waiting.one("div", id="run").get("hx-get") == path

    work_on(each_portal)
    dry = admin.client.get(path, on=path if htmx else "").page
    assert dry.one("div", id="run").get("hx-get") is None
    assert f"{member.name} would be done" in dry.one("tbody").text
    assert Alias.get_by_id(owner.alias.id).hold == Hold.NONE

    form = dry.one("div", id="run").one("form")
    started = admin.client.post(form["action"], on=path if htmx else "")
    work_on(each_portal)
    assert Alias.get_by_id(owner.alias.id).hold == Hold.ADMIN
    page = admin.client.get(started.header("HX-Redirect") or started.location).page
    assert f"{member.name} done" in page.one("tbody").text
    assert page.one("div", id="run").all("form") == []
    assert "It was begun" in admin.client.get(path).text
    assert "Suspend their addresses" in admin.client.get("/admin/bulk").text


@HTMX
@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, "Choose somebody"), ({"names": "nosuchname"}, "Nobody here has these names: nosuchname")],
)
def test_what_cannot_be_begun_is_said(
    portal: Portal, admin: Admin, fields: dict[str, str], words: str, htmx: bool
) -> None:
    answer = admin.client.post("/admin/bulk", {"action": "ban"} | fields, on="/admin/bulk" if htmx else "")

    assert (answer.status, answer.is_whole_page) == (422, not htmx)
    assert words in answer.page.one("p", id="names-error").text
    assert answer.page.one("textarea").text == fields.get("names", "")


def test_an_unknown_action_is_none(portal: Portal, admin: Admin) -> None:
    assert admin.client.post("/admin/bulk", {"action": "x"}).status == 400


def test_a_domains_admin_holds_but_bans_nobody(portal: Portal, new_admin: NewAdmin, owner: Owner) -> None:
    domain_admin = new_admin(Role.DOMAIN_ADMIN, "ubuntu.com")
    options = domain_admin.client.get("/admin/bulk").page.all("option")
    assert [one["value"] for one in options] == ["check", "hold", "lift"]
    fields = {"person": str(owner.person.id)}

    assert domain_admin.client.post("/admin/bulk", {"action": "ban"} | fields).status == 403
    assert domain_admin.client.post("/admin/bulk", {"action": "hold"} | fields).status == 303


def test_somebody_elses_run_is_not_there(
    portal: Portal, new_admin: NewAdmin, admin: Admin, owner: Owner
) -> None:
    begun = admin.client.post("/admin/bulk", {"action": "hold", "person": str(owner.person.id)}).location
    other = new_admin(Role.DOMAIN_ADMIN, "ubuntu.com")

    assert other.client.get(begun).status == 404
    assert other.client.post(f"{begun}/start").status == 404
    assert new_admin().client.get(begun).status == 200, "admins of the project see all"


def test_a_run_is_not_begun_before_the_dry_one_is_done(portal: Portal, admin: Admin, owner: Owner) -> None:
    begun = admin.client.post("/admin/bulk", {"action": "hold", "person": str(owner.person.id)}).location
    answer = admin.client.post(f"{begun}/start")

    assert answer.status == 409
    assert "not finished" in answer.page.one("p", role="alert").text
