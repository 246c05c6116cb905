"""Address lookup, the record, freed names, jobs and problems, on their pages."""

import json
from collections.abc import Callable, Iterator

import pytest

from core.audit import Actor, record
from core.database import utc_now, write
from core.domains import find_domain
from core.models import AuditEntry, AuditValue, Notice, Person, Problem
from core.notices import NAME_TAKEN_OVER, tell_ops
from core.problems import report
from core.roles import Role
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.support.arrange import make_alias, make_member
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Client

NewAdmin = Callable[..., Admin]


@pytest.fixture
def admin(new_admin: NewAdmin) -> Client:
    return new_admin().client


@pytest.fixture
def ada(portal: Portal, new_person: Callable[..., Account]) -> Person:
    """Somebody with an address on ubuntu.com."""
    person = make_member(utc_now(), new_person().name)
    make_alias(
        person,
        find_domain("ubuntu.com"),
        utc_now(),
        str(person.launchpad_name),
        recipients=[person.recipients.get()],
    )
    return person


# -- address lookup -------------------------------------------------------------------------------


def test_each_step_is_told_with_masked_mailboxes(portal: Portal, admin: Client, ada: Person) -> None:
    name = ada.launchpad_name
    with nothing_created():
        answer = admin.get(f"/admin/lookup?address={name}%2Blist@Ubuntu.com")

    assert faults_of(answer.page) == []
    steps = [step.text for step in answer.page.one("section", id="answer").all("li")]
    assert steps[0] == "ubuntu.com is served here, and proven."
    assert steps[1] == f"There is no {name}+list@ubuntu.com."
    assert steps[2].startswith(f"There is {name}@ubuntu.com. Its mail is passed on.")
    assert f"{str(name)[:2]}…@home.example.net" in steps[3]
    assert f"{name}@home.example.net" not in answer.html


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_who_asks_for_the_mailboxes_is_written_down(
    portal: Portal, admin: Client, ada: Person, htmx: bool
) -> None:
    address = f"{ada.launchpad_name}@ubuntu.com"
    answer = admin.post("/admin/lookup", {"address": address}, on="/admin/lookup" if htmx else "")

    assert f"{ada.launchpad_name}@home.example.net" in answer.text
    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    assert entry.verb == "mailboxes-shown"
    assert entry.actor.startswith("person:")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nobody-has-it@ubuntu.com", "550"),
        ("x@elsewhere.example", "not served here"),
        ("postmaster@ubuntu.com", "always reaches somebody"),
    ],
)
def test_a_refusal_is_explained(portal: Portal, admin: Client, address: str, words: str) -> None:
    assert words in admin.get(f"/admin/lookup?address={address}").text


@pytest.mark.parametrize("address", ["nonsense", "@", "a@b@c", "x@" + "y" * 400, "<script>@ubuntu.com"])
def test_what_is_no_address_is_told(portal: Portal, admin: Client, address: str) -> None:
    answer = admin.get(f"/admin/lookup?address={address}")

    assert answer.status == 422
    assert answer.page.one(role="alert").text
    assert "<script>@" not in answer.html


# -- the record -----------------------------------------------------------------------------------


@pytest.fixture
def entry(portal: Portal, ada: Person) -> AuditEntry:
    """An entry of ada's."""
    with write():
        record(Actor.person(ada.id), "tried-here", {"person": ada.id}, {"word": "private-word"}, utc_now())
    return AuditEntry.select().order_by(AuditEntry.id.desc()).first()


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("?verb=tried-here", True),
        ("?verb=tried", False),
        ("?actor=person:ADA", True),
        ("?actor=operator", False),
        ("?subject=person&number=ADA", True),
        ("?subject=alias&number=ADA&verb=tried-here", False),
        ("?subject=person&number=0&verb=%00&actor='", False),
        ("?number=99999999999999999999", True),
    ],
)
def test_entries_are_found_by_the_address(
    admin: Client, entry: AuditEntry, ada: Person, query: str, found: bool, htmx: bool
) -> None:
    query = query.replace("ADA", str(ada.id))
    answer = admin.get(f"/admin/audit{query}", on="/admin/audit" if htmx else "")

    assert answer.is_whole_page is not htmx
    links = [link.text for link in answer.page.one("section", id="found").all("a")]
    assert (str(entry.id) in links) is found
    assert "private-word" not in answer.html


def test_what_is_personal_is_shown_to_who_asks_and_that_is_written_down(
    admin: Client, entry: AuditEntry
) -> None:
    assert "private-word" not in admin.get(f"/admin/audit/{entry.id}").html

    answer = admin.post(f"/admin/audit/{entry.id}/values")

    assert "private-word" in answer.text
    newest = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    assert newest.verb == "values-shown"
    assert json.loads(AuditValue.get(AuditValue.entry == newest).values)["entry"] == entry.id


def test_what_was_erased_is_said_to_be(admin: Client, entry: AuditEntry) -> None:
    AuditValue.delete().where(AuditValue.entry == entry).execute()

    assert "was erased with its person" in admin.post(f"/admin/audit/{entry.id}/values").text


def test_the_whole_record_comes_as_a_file_without_what_is_personal(admin: Client, entry: AuditEntry) -> None:
    answer = admin.get("/admin/audit.jsonl")

    lines = [json.loads(line) for line in answer.html.splitlines()]
    assert "attachment" in answer.header("Content-Disposition")
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    assert entry.mac in [line["mac"] for line in lines]
    assert "private-word" not in answer.html


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("query", ["subject=alias", "number=7", "subject=alias&number=seven", "number=-1"])
def test_half_of_a_filter_is_not_taken_for_a_whole_one(
    portal: Portal, admin: Client, query: str, htmx: bool
) -> None:
    half = admin.get(f"/admin/audit?{query}", on="/admin/audit" if htmx else "")

    assert "count together" in half.page.one("p", role="alert").text
    assert htmx or faults_of(half.page) == []
    assert admin.get("/admin/audit?subject=alias&number=7").page.all(role="alert") == []
    assert admin.get("/admin/audit?verb=noted").page.all(role="alert") == []


@pytest.mark.parametrize("path", ["/admin/audit/999999", "/admin/audit/0", "/admin/audit/99999999999"])
def test_an_entry_that_is_not_there_is_not_found(portal: Portal, admin: Client, path: str) -> None:
    assert admin.get(path).status == 404


# -- freed names ----------------------------------------------------------------------------------


def test_old_owner_and_newcomer_stand_side_by_side(
    portal: Portal, admin: Client, ada: Person, new_person: Callable[..., Account]
) -> None:
    newcomer = make_member(utc_now(), new_person().name)
    ids = {"person": ada.id, "newcomer": newcomer.id}
    with write():
        tell_ops(NAME_TAKEN_OVER, newcomer, ids, f"{NAME_TAKEN_OVER}:{ada.id}:{newcomer.id}", utc_now())

    answer = admin.get("/admin/freed-names")

    assert faults_of(answer.page) == []
    pair = answer.page.all("article")[0]
    before, after = pair.all("section")
    assert f"{ada.launchpad_name}@ubuntu.com" in before.text
    assert str(newcomer.launchpad_name) in after.text
    assert "no address" in after.text


# -- jobs and problems ----------------------------------------------------------------------------


@pytest.fixture
def trouble(portal: Portal) -> Iterator[None]:
    """Three problems of one kind and one of another, and a mail that could not be sent."""
    with write():
        for number in range(3):
            report("sync-person", f"person {number}", "status 503", utc_now())
        report("sync-team", "ubuntumembers", "gone", utc_now())
        tell_ops("daily", None, {}, "tried-in-vain", utc_now())
        Notice.update(failed_with="5.7.26").where(Notice.unique_key == "tried-in-vain").execute()
    yield
    Problem.delete().execute()
    Notice.delete().where(Notice.unique_key == "tried-in-vain").execute()


def test_problems_are_grouped_with_counts(portal: Portal, admin: Client, trouble: None) -> None:
    answer = admin.get("/admin/jobs")

    rows = [row.text for row in answer.page.one("section", aria_labelledby="problems").all("tr")[1:]]
    assert len(rows) == 2
    assert rows[0].startswith("1 sync-team gone")
    assert rows[1].startswith("3 sync-person status 503")


def test_what_is_english_by_nature_is_marked_as_english(
    portal: Portal, admin: Client, trouble: None, entry: AuditEntry
) -> None:
    """A screen reader that reads Japanese changes its voice for it."""
    with write():
        Notice.update(kind="daily-digest").where(Notice.unique_key == "tried-in-vain").execute()
    admin.http.headers["Accept-Language"] = "ja"
    jobs = admin.get("/admin/jobs").page
    record_page = admin.get("/admin/audit").page
    entry_page = admin.get(f"/admin/audit/{entry.id}").page

    parts = [one for page in (jobs, record_page, entry_page) for one in page.elements()]
    marked = {one.text for one in parts if one.get("lang") == "en"}
    assert {"sync-person", "status 503", "person 2", "sync-team", "gone", "ubuntumembers"} <= marked
    assert {"daily-digest", entry.verb} <= marked
    assert jobs.one("html")["lang"] == "ja"


def test_mail_that_could_not_be_sent_and_the_teams_are_shown(
    portal: Portal, admin: Client, trouble: None
) -> None:
    answer = admin.get("/admin/jobs")

    assert "5.7.26" in answer.page.one("section", aria_labelledby="mails").text
    assert "kubuntu-members" in answer.page.one("section", aria_labelledby="teams").text


@pytest.mark.parametrize("what", ["retry", "discard"])
def test_without_a_broker_the_page_says_so(portal: Portal, admin: Client, what: str) -> None:
    assert "The broker does not answer" in admin.get("/admin/jobs").text

    answer = admin.post(f"/admin/jobs/{what}", {"job": "anything"})

    assert answer.status == 409
    assert "Nothing was changed" in answer.text


def test_an_auditor_may_read_all_of_it(portal: Portal, new_admin: NewAdmin, entry: AuditEntry) -> None:
    auditor = new_admin(Role.AUDITOR).client

    for path in ("/admin/jobs", "/admin/freed-names", f"/admin/audit/{entry.id}"):
        assert auditor.get(path).status == 200
