"""Import on the admins' pages: a file comes, is judged, and is let in; and the list of who still waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.database import utc_now
from core.import_file import MAX_OCTETS
from core.import_runs import State, work_on
from core.models import Alias, AuditEntry, Domain, ImportLine, ImportRun, Reservation, Session
from core.reservations import NameState
from core.roles import Role
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.support.arrange import make_kept
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Answer, Client

MakePerson = Callable[..., Account]
htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
BOUNDARY = "waypost-tests"


@pytest.fixture
def admin(new_admin: Callable[..., Admin]) -> Client:
    """The browser of an admin of the project, who has just given the password."""
    made = new_admin()
    fresh(made.client, made.account)
    return made.client


def fresh(client: Client, account: Account) -> None:
    attempt = client.begin("/login/again?next=/admin/imports")
    client.bring(attempt, client.sign(attempt, account.name))
    client.forget_token()


def bring(client: Client, content: bytes, **fields: str) -> Answer:
    """Send the form with its file, as a browser does."""
    token = (
        client.get("/admin/imports")
        .page.one("form", action="/admin/imports")
        .one("input", type="hidden")["value"]
    )
    files = {"file": ("list.csv", content, "text/csv")}
    return Answer(client.http.post("/admin/imports", data={"csrf_token": token, **fields}, files=files))


def work() -> ImportRun:
    """Do what the job does; return the newest list."""
    run = ImportRun.select().order_by(ImportRun.id.desc()).get()
    work_on(run.id, run.state, utc_now())
    return ImportRun.get_by_id(run.id)


@pytest.fixture
def names(new_person: MakePerson) -> tuple[str, str]:
    """Two names that no other test uses."""
    return new_person().name, new_person().name


@htmx_and_not
def test_a_list_is_judged_first_and_brought_in_at_an_admins_word(
    each_portal: Portal, admin: Client, names: tuple[str, str], htmx: bool
) -> None:
    one, two = names
    content = f"{one}@ubuntu.com,{one}@home.example.net,{one}\n{two}@ubuntu.com,{two}@ubuntu.com,{two}\n"

    sent = bring(admin, content.encode(), as_of="2020-01-31")

    assert sent.status == 303
    page = admin.get(sent.location)
    assert "being looked at" in page.text
    assert page.page.one("section", id="run")["hx-get"].startswith(sent.location)
    run = work()
    page = admin.get(sent.location)
    assert faults_of(page.page) == []
    assert "It will be kept for its owner, and its mail will flow." in page.text
    assert "Recipient 1 is an address of the project itself" in page.text
    assert f"{one}@home.example.net" not in page.html
    assert not Alias.select().where(Alias.local_part == one).exists()
    only = admin.get(f"{sent.location}?fate=loop")
    assert f"{two}@ubuntu.com" in only.text
    assert f"{one}@ubuntu.com" not in only.text

    said = admin.post(f"{sent.location}/approve", on=sent.location if htmx else "")

    assert (said.header("HX-Redirect") if htmx else said.location) == sent.location
    work()
    page = admin.get(sent.location)
    assert "brought in" in page.text
    assert "It is kept for its owner, and its mail flows." in page.text
    assert "1 Launchpad name" in page.text or "Launchpad names are still" in page.text
    alias = Alias.get(Alias.local_part == one)
    assert Reservation.get(Reservation.alias == alias).listed_at.year == 2020
    assert ImportRun.get_by_id(run.id).content is None
    entry = (
        AuditEntry.select().where(AuditEntry.verb == "import-approved").order_by(AuditEntry.id.desc()).get()
    )
    assert entry.actor.startswith("person:")
    again = admin.post(f"{sent.location}/approve", on=sent.location if htmx else "")
    assert again.status == 409
    assert again.is_whole_page is not htmx


@pytest.mark.parametrize(
    ("content", "fields", "sentence"),
    [
        (b"", {}, "There is nothing in the file."),
        (b"a@ubuntu.com,b@x.example", {"as_of": "tomorrow"}, "A day is written such as 2026-01-31."),
        (b"a@ubuntu.com,b@x.example", {"as_of": "2099-01-01"}, "That day is still to come."),
    ],
)
def test_what_cannot_be_taken_is_said_in_its_place(
    each_portal: Portal, admin: Client, content: bytes, fields: dict[str, str], sentence: str
) -> None:
    before = ImportRun.select().count()
    answer = bring(admin, content, **fields)

    assert answer.status == 422
    assert sentence in answer.text
    assert faults_of(answer.page) == []
    assert ImportRun.select().count() == before


def test_a_file_of_many_megabytes_is_taken_and_a_larger_one_is_not(portal: Portal, admin: Client) -> None:
    line = b"x@elsewhere.example,x@home.example.net,somebody\n"
    large = line * (MAX_OCTETS // len(line))
    assert bring(admin, large).status == 303
    assert bring(admin, large + line * 3000).status == 413
    assert admin.post("/home/check", {"x": "y" * 200_000}).status == 413
    ImportRun.delete().execute()


def test_a_file_that_cannot_be_read_says_so_and_can_be_forgotten(each_portal: Portal, admin: Client) -> None:
    sent = bring(admin, b"address,note\na@ubuntu.com,x\n")
    assert work().state == State.BROKEN

    page = admin.get(sent.location)
    assert "The first line names the columns, but none is called “recipients”." in page.text
    gone = admin.post(f"{sent.location}/discard")
    assert gone.location == "/admin/imports"
    assert "The list is forgotten." in admin.get("/admin/imports").text
    assert admin.get(sent.location).status == 404


def test_while_a_job_is_at_it_the_page_swaps_only_what_is_new(each_portal: Portal, admin: Client) -> None:
    sent = bring(admin, b"a@elsewhere.example,a@x.example\n")
    asked = admin.get(sent.location).page.one("section", id="run")["hx-get"]

    same = admin.get(asked, on=sent.location)
    assert (same.status, same.header("HX-Trigger")) == (204, "again")
    work()
    new = admin.get(asked, on=sent.location)
    assert new.status == 200
    assert not new.is_whole_page
    assert new.page.one("section", id="run").get("hx-get") is None


def test_a_report_of_many_lines_has_pages(each_portal: Portal, admin: Client) -> None:
    sent = bring(admin, b"a@elsewhere.example,a@x.example\n" * 120)
    work()
    first = admin.get(sent.location)
    assert len(first.page.all("tr")) == 51
    link = next(a for a in first.page.all("a") if a.get("rel") == "next")
    assert "51" in admin.get(link["href"]).text
    assert (
        ImportLine.select()
        .where(ImportLine.run == ImportRun.select().order_by(ImportRun.id.desc()).get())
        .count()
        == 120
    )


def test_what_a_file_says_is_shown_and_does_nothing(each_portal: Portal, admin: Client) -> None:
    sent = bring(admin, b"<script>alert(1)</script>@ubuntu.com,<b>x</b>@x.example\n")
    work()
    assert "<script>alert" not in admin.get(sent.location).html


@htmx_and_not
def test_the_waiting_are_found_given_away_and_taken_out(
    each_portal: Portal, admin: Client, names: tuple[str, str], new_client: Callable[[], Client],
    new_person: MakePerson, htmx: bool,
) -> None:  # fmt: skip
    domain, now = Domain.get(Domain.name == "ubuntu.com"), utc_now()
    one, two = [
        make_kept(domain, now, name, name, f"secret-{name}@old.example.net", found=False) for name in names
    ]
    Reservation.update(state=NameState.TOO_YOUNG).where(Reservation.alias == one).execute()
    page = admin.get(f"/admin/waiting?q={one.local_part}&state=too-young")
    assert faults_of(page.page) == []
    assert one.text in page.text
    assert two.text not in page.text
    card = admin.get(f"/admin/waiting/{one.id}")
    assert faults_of(card.page) == []
    assert "secret-" not in card.html
    owner = new_person("ubuntumembers")
    new_client().sign_in(owner.name)
    on = f"/admin/waiting/{one.id}" if htmx else ""

    unsure = admin.post(
        f"/admin/waiting/{one.id}/give", {"person": str(person_of(owner).id), "confirm": "x"}, on=on
    )
    assert unsure.status == 422
    assert "Type the address to confirm." in unsure.text
    for number in ("nobody", "-1", "99999999999999999999"):
        wrong = admin.post(f"/admin/waiting/{one.id}/give", {"person": number, "confirm": one.text}, on=on)
        assert wrong.status == 422
    assert Alias.get_by_id(one.id).person_id is None
    given = admin.post(
        f"/admin/waiting/{one.id}/give",
        {"person": str(person_of(owner).id), "confirm": one.text.upper()},
        on=on,
    )
    assert (given.header("HX-Redirect") if htmx else given.location) == "/admin/waiting"
    assert Alias.get_by_id(one.id).person == person_of(owner)
    assert admin.get(f"/admin/waiting/{one.id}").status == 404

    admin.post(f"/admin/waiting/{two.id}/drop", {"confirm": ""})
    assert Alias.get_or_none(Alias.id == two.id) is not None
    admin.post(f"/admin/waiting/{two.id}/drop", {"confirm": two.text}, on=on)
    assert Alias.get_or_none(Alias.id == two.id) is None


def test_an_auditor_reads_and_a_stale_sign_in_changes_nothing(
    portal: Portal, new_admin: Callable[..., Admin], names: tuple[str, str]
) -> None:
    kept = make_kept(Domain.get(Domain.name == "ubuntu.com"), utc_now(), names[0], names[0])
    auditor, admin = new_admin(Role.AUDITOR).client, new_admin()
    page = auditor.get("/admin/imports")
    assert page.page.all("form", action="/admin/imports") == []
    assert "Give it away" not in auditor.get(f"/admin/waiting/{kept.id}").text
    old = utc_now() - timedelta(hours=1)
    Session.update(authenticated_at=old).where(Session.person == admin.person).execute()
    answer = admin.client.post(f"/admin/waiting/{kept.id}/drop", {"confirm": kept.text})
    assert answer.location.startswith("/login/again")
    assert Alias.get_or_none(Alias.id == kept.id) is not None
