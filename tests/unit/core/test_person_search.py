"""core.person_search and core.database.begins_with"""

import pytest
from peewee import SqliteDatabase

from core.audit import OPERATOR
from core.database import begins_with, database, write
from core.models import Alias, AliasOwner, Person
from core.people import ban
from core.person_card import may_see
from core.person_search import Filter, addresses_of, find_people
from core.routing import Hold
from tests.support.arrange import make_alias, make_domain, make_person, make_recipient


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    person = make_person(now, "ada-l")
    person.display_name, person.sign_in_email = "Ömer Ada", "Sso.Ada@login.example.net"
    person.save()
    make_recipient(person, now, "box@home.example.net")
    make_alias(person, domain, now, "lovelace")
    return person


@pytest.fixture
def others(domain, now) -> None:
    for number in range(3):
        person = make_person(now, f"other{number}")
        make_alias(person, domain, now, f"zed{number}")


def found(search: str = "", *, private: bool = True, domains: frozenset[int] | None = None, **more: str):
    rows = find_people(Filter(search, **more), domains, None, private=private).rows
    return [row.launchpad_name for row in rows]


@pytest.mark.parametrize(
    "search",
    [
        *(
            "ada-l",
            "ADA",
            " ad ",
            "ömer",
            "ÖMER A",
            "love",
            "lovelace@",
            "lovelace@proj",
            "lovelace@proj.example",
        ),
        *("sso.ada@login.example.net", "sso", "box", "BOX@home", "box@home.example.net"),
    ],
)
def test_somebody_is_found_by_what_begins_so(ada, others, search):
    assert found(search) == ["ada-l"]


@pytest.mark.parametrize(
    "search",
    ["da-l", "%", "_", "ada%", "\\", "'", "love@proj", "lovelace@other", "\x00ada-lx", "\ud7ff", "zz"],
)
def test_nobody_is_found_by_anything_else(ada, others, search):
    assert found(search) == []


@pytest.mark.parametrize("search", ["sso.ada", "box@home.example.net"])
def test_private_addresses_are_not_searched_for_everybody(ada, search):
    assert found(search, private=False) == []


@pytest.mark.parametrize("search", ["ss", "bo"])
def test_private_addresses_are_searched_from_three_characters_on(ada, search):
    assert found(search) == []


def test_without_a_word_everybody_is_listed_a_page_at_a_time(ada, others):
    first = find_people(Filter(), None, None, private=True)
    assert [row.launchpad_name for row in first.rows] == ["ada-l", "other0", "other1", "other2"]
    rest = find_people(Filter(), None, first.rows[1].id, private=True)
    assert [row.launchpad_name for row in rest.rows] == ["other1", "other2"]


def test_the_banned_are_found(ada, others, now):
    ban(OPERATOR, ada, now)

    assert found(state="banned") == ["ada-l"]
    assert found("other", state="banned") == []


def test_those_with_a_held_address_are_found(ada, others):
    Alias.update(hold=Hold.ADMIN).where(Alias.person == ada).execute()

    assert found(state="held") == ["ada-l"]


def test_an_owner_of_a_role_address_is_found_by_it(ada, others, domain, now):
    shared = make_alias(None, domain, now, "security")
    with write():
        AliasOwner.create(alias=shared, person=ada)

    assert found("security@proj.example") == ["ada-l"]


def test_a_domains_admin_finds_those_with_an_address_there(ada, others, domain, now):
    other = make_domain(now, "other.example")
    make_alias(make_person(now, "oto"), other, now, "oto")
    stranger = make_person(now, "nowhere")

    assert found("o", domains=frozenset([other.id])) == ["oto"]
    assert found(domain="other.example") == ["oto"]
    assert found("ada-l", domains=frozenset([other.id])) == []
    assert may_see(ada, frozenset([domain.id]))
    assert not may_see(ada, frozenset([other.id]))
    assert not may_see(stranger, frozenset([domain.id, other.id]))
    assert may_see(stranger, None)


def test_addresses_are_shown_as_far_as_they_may_be_seen(ada, domain, now):
    other = make_domain(now, "other.example")
    make_alias(ada, other, now, "ada-l")

    shown = addresses_of([ada], frozenset([other.id]))
    assert shown == {ada.id: ["ada-l@other.example"]}
    assert len(addresses_of([ada], None)[ada.id]) == 2


def test_case_counts_and_a_percent_sign_is_one(ada):
    assert not Person.select().where(begins_with(Person.launchpad_name, "ADA")).exists()
    assert Person.select().where(begins_with(Person.launchpad_name, "ada")).exists()
    assert not Person.select().where(begins_with(Person.launchpad_name, "a%")).exists()


def plan_of(query) -> str:
    """What the database means to do, without a table being so small that reading it all were cheaper."""
    sql, values = query.sql()
    if isinstance(database.obj, SqliteDatabase):
        return "\n".join(str(row[3]) for row in database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values))
    with write():
        database.execute_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(row[0] for row in database.execute_sql(f"EXPLAIN {sql}", values))


def test_every_search_goes_by_an_index(ada, others, domain):
    """Planned as the page asks it; of PostgreSQL, whether the index serves at all for how a text begins."""
    from core.person_search import _named
    from core.routing import Hold as AnyHold

    by_word = Person.select().where(Person.id.in_(_named("lovelace", True)), Person.id > 0)
    plan = plan_of(by_word.order_by(Person.id).limit(51))
    for index in ("person_launchpad_name", "person_name_key", "person_sign_in_key", "alias_local_part"):
        assert index in plan, plan
    assert "recipient_address_key" in plan, plan
    assert not any(
        line.strip().startswith(("SCAN ", "Seq Scan", "->  Seq Scan")) for line in plan.splitlines()
    ), plan
    held = plan_of(
        Alias.select(Alias.person).where(Alias.hold.in_([one for one in AnyHold if one != "none"]))
    )
    assert "alias_hold" in held, held
