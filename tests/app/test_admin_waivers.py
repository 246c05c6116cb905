"""The waivers' queue and cards, with and without JavaScript."""

from collections.abc import Callable, Iterator

import pytest

from core import alias_admin
from core.audit import OPERATOR
from core.database import utc_now
from core.domains import find_domain
from core.models import Alias, Domain, Person, Waiver
from core.roles import Role
from core.waivers import end_of, refuse
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.support.arrange import later, make_alias, make_member, make_waiver
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

NewAdmin = Callable[..., Admin]


@pytest.fixture
def domain(portal: Portal) -> Domain:
    domain = find_domain("ubuntu.com")
    assert domain is not None
    return domain


@pytest.fixture
def asking(portal: Portal, member: Account, domain: Domain) -> Iterator[Person]:
    """Somebody with a request for another name, and what they asked for."""
    person = make_member(utc_now(), member.name)
    yield person
    Waiver.delete().where(Waiver.person == person).execute()


@pytest.fixture
def waiver(asking: Person, domain: Domain) -> Waiver:
    return make_waiver(asking, domain, utc_now(), "local-part", local_part=f"{asking.launchpad_name}.long")


@pytest.fixture
def admin(new_admin: NewAdmin) -> Client:
    return new_admin().client


def decide(client: Client, waiver: Waiver, what: str, htmx: bool, /, **fields: str) -> Answer:
    path = f"/admin/waivers/{waiver.id}"
    answer = client.post(f"{path}/{what}", fields, on=path if htmx else "")
    return answer if htmx else client.follow(answer)


def numbers(answer: Answer) -> list[int]:
    """The requests that are listed."""
    links = [link["href"] for link in answer.page.one("section", id="found").all("a")]
    return [int(link.rpartition("/")[2]) for link in links if link.rpartition("/")[2].isdecimal()]


# -- the queue ------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("?kind=local-part&domain=ubuntu.com&state=asked", True),
        ("?kind=grace", False),
        ("?domain=kubuntu.org", False),
        ("?state=granted", False),
        ("?state=all", True),
        ("?q=NAME", True),
        ("?q=NAME.long", True),
        ("?q=xNAME", False),
        ("?q=%25", False),
        ("?state=nonsense&kind=%00", False),
    ],
)
def test_filters_in_the_address_find_it(
    admin: Client, waiver: Waiver, asking: Person, query: str, found: bool, htmx: bool
) -> None:
    query = query.replace("NAME", str(asking.launchpad_name))
    answer = admin.get(f"/admin/waivers{query}", on="/admin/waivers" if htmx else "")

    assert answer.is_whole_page is not htmx
    assert (waiver.id in numbers(answer)) is found
    if not htmx:
        assert faults_of(answer.page) == []


def test_going_back_in_a_browser_loads_the_whole_page(admin: Client) -> None:
    answer = admin.get("/admin/waivers", on="/admin/waivers", HX_History_Restore_Request="true")

    assert answer.is_whole_page


def test_a_long_queue_comes_page_by_page_either_way_round(
    admin: Client, asking: Person, domain: Domain
) -> None:
    made = [make_waiver(asking, domain, utc_now(), "grace").id for _ in range(101)]
    first = f"/admin/waivers?kind=grace&q={asking.launchpad_name}&state=all"

    for order, wanted in (("oldest", made), ("newest", made[::-1])):
        seen, answer = [], admin.get(f"{first}&sort={order}")
        while True:
            seen.append(numbers(answer))
            further = [link for link in answer.page.all("a") if link.get("rel") == "next"]
            if not further:
                break
            answer = admin.get(further[0]["href"])
        assert [len(page) for page in seen] == [50, 50, 1]
        assert [number for page in seen for number in page] == wanted
        (back,) = [link for link in answer.page.all("a") if link.text == "To the beginning"]
        assert numbers(admin.get(back["href"])) == seen[0]


def test_the_heading_turns_the_order_round(admin: Client, asking: Person, domain: Domain) -> None:
    made = [make_waiver(asking, domain, utc_now(), "grace").id for _ in range(3)]
    answer = admin.get(f"/admin/waivers?q={asking.launchpad_name}")
    assert numbers(answer) == made
    assert answer.page.one("a", id="sort")["href"] == answer.page.one("a", id="sort")["hx-get"]

    for wanted, direction in ((made[::-1], "descending"), (made, "ascending")):
        answer = admin.get(answer.page.one("a", id="sort")["href"], on="/admin/waivers")
        assert numbers(answer) == wanted
        assert answer.page.all("th", aria_sort=direction)


def test_a_domain_admin_sees_their_domains_requests_only(new_admin: NewAdmin, waiver: Waiver) -> None:
    own = new_admin(Role.DOMAIN_ADMIN, "ubuntu.com").client
    other = new_admin(Role.DOMAIN_ADMIN, "kubuntu.org").client

    assert waiver.id in numbers(own.get("/admin/waivers"))
    assert waiver.id not in numbers(other.get("/admin/waivers"))
    assert waiver.id not in numbers(other.get("/admin/waivers?domain=ubuntu.com&state=all"))


# -- the card -------------------------------------------------------------------------------------


def test_the_card_says_what_one_decides_by(admin: Client, waiver: Waiver, asking: Person) -> None:
    answer = admin.get(f"/admin/waivers/{waiver.id}")

    assert faults_of(answer.page) == []
    for words in (waiver.reason, f"{asking.launchpad_name}7x", "account created 1 Mar 2009"):
        assert words.lower() in answer.text.lower()
    facts = answer.page.one("section", aria_labelledby="person").all("tr")
    valid = next(row for row in facts if "account is active" in row.text)
    assert "yes" in valid.text
    assert "just now" in valid.text
    assert "Nobody has it, and nobody had it." in answer.text


def test_the_card_says_who_has_the_name(
    admin: Client, waiver: Waiver, domain: Domain, new_person: Callable[..., Account]
) -> None:
    other = make_member(utc_now(), new_person().name)
    make_alias(other, domain, utc_now(), str(waiver.local_part))

    assert f"{other.launchpad_name} has it, or had it." in admin.get(f"/admin/waivers/{waiver.id}").text


def test_a_plus_whose_stem_is_an_alias_warns(
    admin: Client, asking: Person, domain: Domain, new_person: Callable[..., Account]
) -> None:
    other = make_member(utc_now(), new_person().name)
    make_alias(other, domain, utc_now(), str(other.launchpad_name))
    wanted = make_waiver(asking, domain, utc_now(), "local-part", local_part=f"{other.launchpad_name}+list")

    note = f"goes to {other.launchpad_name}@ubuntu.com today, as a sub-address of it"
    assert note in admin.get(f"/admin/waivers/{wanted.id}").text


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_grant_makes_what_was_asked_for(admin: Client, waiver: Waiver, asking: Person, htmx: bool) -> None:
    answer = decide(admin, waiver, "grant", htmx)

    assert answer.status == 200
    assert "Granted. The person is told." in answer.text
    alias = Alias.get(Alias.person == asking)
    assert alias.text == f"{waiver.local_part}@ubuntu.com"
    assert Waiver.get_by_id(waiver.id).state == "granted"
    assert answer.page.all("form", action=f"/admin/waivers/{waiver.id}/grant") == []


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_grant_of_a_domain_ends_on_the_day_chosen_and_can_be_ended(
    admin: Client, asking: Person, htmx: bool
) -> None:
    waiver = make_waiver(asking, find_domain("kubuntu.org"), utc_now())
    day = later(utc_now(), days=30).date()

    decide(admin, waiver, "grant", htmx, until=str(day))
    assert Waiver.get_by_id(waiver.id).ends_at == end_of(day)
    assert "Ended." in decide(admin, waiver, "end", htmx).text
    assert Waiver.get_by_id(waiver.id).ends_at <= utc_now()


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("until", ["2020-01-01", "soon", "2026-02-31"])
def test_a_day_that_does_not_do_is_told(admin: Client, asking: Person, until: str, htmx: bool) -> None:
    waiver = make_waiver(asking, find_domain("kubuntu.org"), utc_now())

    answer = decide(admin, waiver, "grant", htmx, until=until)

    assert answer.status == 422
    assert answer.page.one(role="alert").text
    assert Waiver.get_by_id(waiver.id).state == "asked"


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_a_refusal_needs_a_reason(admin: Client, waiver: Waiver, htmx: bool) -> None:
    assert decide(admin, waiver, "refuse", htmx).status == 422
    assert Waiver.get_by_id(waiver.id).state == "asked"

    answer = decide(admin, waiver, "refuse", htmx, answer="That is a name of the project.")

    assert "Refused. The person is told." in answer.text
    assert Waiver.get_by_id(waiver.id).answer == "That is a name of the project."


def test_what_is_decided_cannot_be_decided_again(admin: Client, waiver: Waiver) -> None:
    decide(admin, waiver, "refuse", False, answer="That is a name of the project.")

    assert decide(admin, waiver, "grant", False).status == 422
    assert Waiver.get_by_id(waiver.id).state == "refused"


def test_the_card_shows_a_domain_admin_nothing_of_other_domains(
    each_portal: Portal, new_admin: NewAdmin, new_person: Callable[..., Account]
) -> None:
    now, here, elsewhere = utc_now(), find_domain("ubuntu.com"), find_domain("lubuntu.me")
    person = make_member(now, new_person().name)
    aliases = [
        make_alias(person, domain, now, f"{person.launchpad_name}-{domain.id}")
        for domain in (here, elsewhere)
    ]
    waiver, other = make_waiver(person, here, now), make_waiver(person, elsewhere, now, "grace")
    for alias in aliases:
        alias_admin.hold(OPERATOR, alias.id, now)
    refuse(OPERATOR, other.id, "No.", now)

    pages = [
        new_admin(*role).client.get(f"/admin/waivers/{waiver.id}")
        for role in ((Role.DOMAIN_ADMIN, "ubuntu.com"), (Role.PROJECT_ADMIN,), (Role.AUDITOR,))
    ]

    for answer, all_of_it in zip(pages, (False, True, True), strict=True):
        assert aliases[0].text in answer.text
        assert (aliases[1].text in answer.text) is all_of_it
        assert (f"/admin/waivers/{other.id}" in answer.html) is all_of_it
        history = answer.page.one("ol", class_="history").text
        assert history.count("alias-held") == 1 + all_of_it
        assert ("waiver-refused" in history) is all_of_it
