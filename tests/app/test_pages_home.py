"""The home page: a row for each domain with its why and its one action, in at most eight queries."""

from collections.abc import Callable

import pytest
from peewee import Database

from app import create_app
from core.database import utc_now, write
from core.models import Notice, Person
from core.overview import CHECK_EVERY
from core.queues import Job
from core.sessions import open_session
from core.settings import Settings
from devtools.accounts import Account
from devtools.faults import FaultKind
from devtools.servers import PretendServers
from devtools.world import World
from tests.support.arrange import entitle, make_alias, make_domain, make_person, make_recipient
from tests.support.page import Element, read_page
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client
from workers.schedule import EVERY

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


def row_of(answer: Answer, name: str = "ubuntu.com") -> Element:
    """Return a domain's row on the page or in the part."""
    return answer.page.one("article", data_domain=name)


def check(client: Client, htmx: bool, name: str = "ubuntu.com") -> Answer:
    """Press "Check again" in a row."""
    return client.post(f"/domains/{name}/check", on="/home" if htmx else "")


# -- why -------------------------------------------------------------------------------------------


def test_a_row_says_by_which_team_since_when_and_when_it_is_checked(
    portal: Portal, client: Client, member: Account
) -> None:
    text = row_of(client.sign_in(member.name)).text

    today = f"{utc_now():%-d %b %Y}"
    assert f"entitled as a member of ubuntumembers since {today}" in text
    assert "Last checked just now , next check in 15 minutes" in text.replace(
        "in 14 minutes", "in 15 minutes"
    )


def test_the_next_check_is_the_schedules(portal: Portal) -> None:
    assert EVERY[Job.SYNC_ALL_TEAMS][1] == CHECK_EVERY.total_seconds()


def test_a_row_that_is_not_entitled_says_what_fails_and_where_to_mend_it(
    portal: Portal, client: Client, member: Account
) -> None:
    row = row_of(client.sign_in(member.name), "kubuntu.org")

    assert row.one("p", class_="address").text == f"{member.name}@kubuntu.org"  # the name they would get
    assert "not entitled You are not a member of kubuntu-members" in row.text
    team, waiver = row.one("div", class_="why").all("a")
    assert team["href"].endswith("/~kubuntu-members")
    assert waiver["href"] == "/waivers/new?kind=domain&domain=kubuntu.org"


@pytest.mark.parametrize(
    ("fields", "sentence", "link"),
    [
        ({"coc_signed": False}, "You have not signed the Code of Conduct.", "codeofconduct"),
        ({"has_account": False}, "Launchpad has no account for your Ubuntu One identity.", "+login"),
    ],
)
def test_what_is_missing_of_the_account_is_said_once_above_the_rows(
    portal: Portal,
    client: Client,
    new_person: Callable[..., Account],
    fields: dict[str, bool],
    sentence: str,
    link: str,
) -> None:
    if fields == {"has_account": False}:
        home = client.sign_in("mina")
    else:
        home = client.sign_in(new_person("ubuntumembers", **fields).name)

    assert home.text.count(sentence) == 1
    above = home.page.one("ul", class_="account-reasons")
    assert sentence in above.text
    assert above.one("a")["href"].endswith(link)
    rows = home.page.all("article")
    assert len(rows) == 6
    assert all("not entitled" in row.text and sentence not in row.text for row in rows)


def test_ones_own_addresses_come_first(portal: Portal, client: Client, new_person) -> None:
    client.sign_in(new_person("ubuntu-smtp-test", "lubuntu-members").name)
    client.post("/domains/ubuntu.net/claim")

    names = [row["data-domain"] for row in client.get("/home").page.all("article")]

    assert names[:3] == ["ubuntu.net", "lubuntu.me", "ubuntu.com"]


# -- check again -----------------------------------------------------------------------------------


@htmx_and_not
def test_check_again_in_a_row_asks_launchpad_now_and_changes_that_row(
    portal: Portal, client: Client, new_person: Callable[..., Account], world: World, htmx: bool
) -> None:
    person = new_person()
    home = client.sign_in(person.name)
    form = row_of(home).one("div", class_="why").one("form")
    assert form["action"] == form["hx-post"] == "/domains/ubuntu.com/check"
    assert form["hx-target"] == "#domain-ubuntu-com"
    world.join(person.name, "ubuntumembers")

    answer = check(client, htmx)

    if htmx:
        assert [row["data-domain"] for row in answer.page.all("article")] == ["ubuntu.com"]
        assert answer.html.lstrip().startswith("<article")
        assert row_of(answer).one("h2").get("autofocus") is not None
        assert answer.page.one(hx_swap_oob="innerHTML:#announce").text == "Launchpad answered."
    else:
        assert (answer.status, answer.location) == (303, "/home#domain-ubuntu-com")
        answer = client.get("/home")
    assert f"Claim {person.name}@ubuntu.com" in row_of(answer).text


@htmx_and_not
def test_check_again_while_launchpad_is_down_says_so_and_changes_nothing(
    portal: Portal, client: Client, new_person: Callable[..., Account], outside: PretendServers, htmx: bool
) -> None:
    client.sign_in(new_person().name)
    outside.launchpad.fail(FaultKind.BAD_JSON)

    with nothing_created(Notice):  # the ops address is told
        answer = check(client, htmx)

    said = answer if htmx else client.follow(answer)
    assert "We could not ask Launchpad. Try again in a minute." in said.text
    assert "not entitled" in row_of(said).text


@pytest.mark.parametrize("name", ["nowhere.example", "UBUNTU.COM", "x", "%00"])
def test_a_domain_that_is_not_ours_is_not_checked(
    portal: Portal, client: Client, member: Account, name: str
) -> None:
    client.sign_in(member.name)

    assert check(client, False, name).status == 404


# -- its cost --------------------------------------------------------------------------------------

MOST_QUERIES = 8


class Visitor:
    """Somebody who looks at the home page in this process, with every query counted."""

    def __init__(self, settings: Settings, db: Database, person: Person, monkeypatch) -> None:
        self.app = create_app(settings)
        self.browser = self.app.test_client()
        with write():
            token = open_session(person, utc_now())
        with self.browser.session_transaction() as session:
            session["_user_id"], session["_fresh"] = token, True
        self.db, self.patch = db, monkeypatch

    def look(self) -> tuple[Element, list[str]]:
        """Return the page, and the queries that it took."""
        execute, asked = self.db.obj.execute_sql, []

        def note(sql: str, *args, **rest):
            asked.append(sql)
            return execute(sql, *args, **rest)

        with self.patch.context() as patch:
            patch.setattr(self.db.obj, "execute_sql", note)
            answer = self.browser.get("/home")
        assert answer.status_code == 200
        return read_page(answer.text), asked


def test_the_home_page_takes_eight_queries_for_one_domain_and_for_forty(
    settings: Settings, db: Database, now, monkeypatch
) -> None:
    today = utc_now()
    ada = entitle(make_person(today), today)
    home, failing = make_recipient(ada, today), make_recipient(ada, today, "full@home.example.net")
    failing.failing_since, failing.failing_with = today, "5.2.2"
    failing.save()
    counts = {}
    for number in range(40):
        domain = make_domain(today, f"d{number}.example", ["proj-members" if number % 3 else "others"])
        if number % 2:
            make_alias(ada, domain, today, recipients=[home, failing])
        if number + 1 in (6, 40):
            page, asked = Visitor(settings, db, ada, monkeypatch).look()
            assert len(page.all("article")) == number + 1
            assert len(page.all("div", class_="banner")) == 1
            counts[number + 1] = asked

    assert len(counts[6]) == len(counts[40])
    assert len(counts[40]) <= MOST_QUERIES, "\n".join(counts[40])


def test_the_person_without_an_account_takes_no_more(settings: Settings, db: Database, monkeypatch) -> None:
    today = utc_now()
    nobody = make_person(today, None)
    nobody.sign_in_email, nobody.asked_at = "x@post.example.com", today
    nobody.save()
    make_domain(today)

    _, asked = Visitor(settings, db, nobody, monkeypatch).look()

    assert len(asked) <= MOST_QUERIES, "\n".join(asked)
