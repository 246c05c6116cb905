"""core.alias_table, which the relay asks: on both databases, and on their bad days"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from core.addresses import parse_address
from core.alias_table import AliasTableUnavailable, SqlAliasTable, open_alias_table
from core.audit import OPERATOR
from core.database import configure, migrate, write
from core.models import Alias, AliasOwner, Domain, Identity, Recipient
from core.people import ban
from core.roles import Role, grant
from core.routing import AliasFacts, Entitlement, Fate, Hold, Order, RouteRecipient, Switch, route
from tests.support.arrange import (
    ISSUER,
    claimed_id,
    later,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
)

LONGEST_WAIT = 0.3  # seconds: the 50 ms of a lookup, on a busy machine


@pytest.fixture
def table(db, settings) -> SqlAliasTable:
    return open_alias_table(settings.database_url)


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now):
    return make_member(now)


@pytest.fixture
def alias(domain, ada, now) -> Alias:
    return make_alias(ada, domain, now, recipients=[ada.recipients.get()])


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Keep everybody out of the tables, readers too."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE domain, alias, role_grant IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()


def lookups(table: SqlAliasTable) -> dict[str, Callable[[], object]]:
    return {
        "serves": lambda: table.serves("proj.example"),
        "find": lambda: table.find("proj.example", "ada"),
        "admin_recipients": lambda: table.admin_recipients("proj.example"),
        "aliases_of": lambda: table.aliases_of(["ada@home.example.net"]),
    }


# -- serves ---------------------------------------------------------------------------------------


def test_a_verified_domain_is_served(table, domain):
    assert table.serves("proj.example")


def test_a_domain_that_is_not_there_is_not_served(table, domain):
    assert not table.serves("other.example")


@pytest.mark.parametrize("change", [{"verified_at": None}, {"removed_at": 1}])
def test_a_domain_that_is_unverified_or_removed_is_not_served(table, domain, now, change):
    Domain.update({key: value and now for key, value in change.items()}).execute()

    assert not table.serves("proj.example")


# -- find -----------------------------------------------------------------------------------------


def test_a_name_nobody_has_is_not_found(table, alias):
    assert table.find("proj.example", "grace") is None


def test_a_name_on_another_domain_is_not_found(table, alias, now):
    make_domain(now, "other.example")

    assert table.find("other.example", "ada") is None


def test_all_facts_of_an_alias_are_found(table, domain, ada, now):
    alias = make_alias(
        ada,
        domain,
        now,
        entitlement=Entitlement.GRACE,
        grace_until=later(now, days=90),
        switch=Switch.OFF_LATER,
        switched_at=later(now, days=-1),
        hold=Hold.ADMIN,
        unreachable_since=later(now, days=-2),
        recipients=[ada.recipients.get()],
    )

    assert table.find("proj.example", "ada") == AliasFacts(
        alias_id=alias.id,
        entitlement=Entitlement.GRACE,
        switch=Switch.OFF_LATER,
        switched_at=later(now, days=-1),
        hold=Hold.ADMIN,
        grace_until=later(now, days=90),
        unreachable_since=later(now, days=-2),
        recipients=(RouteRecipient("ada@home.example.net", deliverable=True),),
    )


def test_an_alias_without_recipients_is_found_without_recipients(table, domain, ada, now):
    make_alias(ada, domain, now)

    assert table.find("proj.example", "ada").recipients == ()


def test_recipients_are_found_in_their_order(table, domain, ada, now):
    made = [make_recipient(ada, now, f"{number}@home.example.net") for number in range(5)]
    make_alias(ada, domain, now, recipients=[made[3], made[0], made[4], made[1], made[2]])

    found = [recipient.address[0] for recipient in table.find("proj.example", "ada").recipients]
    assert found == ["3", "0", "4", "1", "2"]


def test_recipients_that_are_failing_come_last(table, domain, ada, now):
    made = [make_recipient(ada, now, f"{number}@home.example.net") for number in range(4)]
    make_alias(ada, domain, now, recipients=made)
    for failing in (made[0], made[2]):
        failing.failing_since = now
        failing.save()

    found = [recipient.address[0] for recipient in table.find("proj.example", "ada").recipients]
    assert found == ["1", "3", "0", "2"]


def test_what_the_owner_chose_is_found(table, domain, ada, now):
    make_alias(ada, domain, now, delivery_order=Order.FIRST, keeps_tag=True)

    facts = table.find("proj.example", "ada")
    assert (facts.order, facts.keeps_tag) == (Order.FIRST, True)


def test_what_nobody_chose_is_all_and_no_tag(table, alias):
    facts = table.find("proj.example", "ada")

    assert (facts.order, facts.keeps_tag) == (Order.ALL, False)


# -- which alias leads to an address --------------------------------------------------------------


def test_a_recipient_is_known_by_an_alias_that_leads_there(table, alias):
    assert table.aliases_of(["ada@home.example.net", "x@elsewhere.example", "no address"]) == {
        "ada@home.example.net": "ada@proj.example"
    }


def test_any_spelling_of_a_recipient_is_known(table, alias):
    assert table.aliases_of(["ADA@Home.example.net"]) == {"ADA@Home.example.net": "ada@proj.example"}


def test_a_recipient_behind_no_alias_is_not_known(table, ada):
    assert table.aliases_of(["ada@home.example.net"]) == {}


def test_an_alias_whose_recipient_is_not_proven_is_not_named(table, domain, ada, now):
    mallory = make_member(now, "mallory", created="2024-01-01")
    claimed = make_recipient(mallory, now, "ada@home.example.net", proven=False)
    make_alias(mallory, domain, now, "mallory", recipients=[claimed])
    make_alias(ada, domain, now, recipients=[ada.recipients.get()])

    assert table.aliases_of(["ada@home.example.net"]) == {"ada@home.example.net": "ada@proj.example"}


# -- invariant 6: only recipients that are verified by their owner, or imported --------------------


def deliverable(table: SqlAliasTable) -> bool:
    (recipient,) = table.find("proj.example", "ada").recipients
    return recipient.deliverable


def test_the_owners_own_verified_recipient_is_deliverable(table, alias):
    assert deliverable(table)


def test_an_unverified_recipient_is_not_deliverable(table, domain, ada, now):
    make_alias(ada, domain, now, recipients=[make_recipient(ada, now, "new@home.example.net", proven=False)])

    assert not deliverable(table)


def test_a_recipient_that_another_person_verified_is_not_deliverable(table, domain, ada, now):
    grace = make_member(now, "grace")
    make_alias(ada, domain, now, recipients=[grace.recipients.get()])

    assert not deliverable(table)


def test_a_recipient_of_nobody_that_was_not_imported_is_not_deliverable(table, domain, ada, now):
    recipient = make_recipient(None, now)
    Recipient.update(imported_at=None, verified_at=now).execute()
    make_alias(None, domain, now, recipients=[recipient])

    assert not deliverable(table)


def test_an_imported_recipient_of_a_reserved_name_is_deliverable(table, domain, now):
    recipient = make_recipient(None, now)
    make_alias(None, domain, now, recipients=[recipient], reserved_issuer=ISSUER, reserved_subject="x")

    assert deliverable(table)


def test_a_role_address_delivers_to_what_its_owners_have_verified(table, domain, ada, now):
    alias = make_alias(None, domain, now, recipients=[ada.recipients.get()])
    AliasOwner.create(alias=alias, person=ada)

    assert deliverable(table)


def test_a_role_address_does_not_deliver_to_a_stranger(table, domain, ada, now):
    grace = make_member(now, "grace")
    alias = make_alias(None, domain, now, recipients=[grace.recipients.get()])
    AliasOwner.create(alias=alias, person=ada)

    assert not deliverable(table)


def test_a_role_address_does_not_deliver_to_a_former_owner(table, domain, ada, now):
    alias = make_alias(None, domain, now, recipients=[ada.recipients.get()])
    AliasOwner.create(alias=alias, person=ada)
    AliasOwner.delete().execute()

    assert not deliverable(table)


# -- the admins -----------------------------------------------------------------------------------


def test_a_domain_without_admins_has_no_admin_recipients(table, domain):
    assert table.admin_recipients("proj.example") == []


def test_admins_of_the_domain_come_before_those_of_the_project(table, domain, now):
    make_admin(now, "kaia", Role.PROJECT_ADMIN)
    make_admin(now, "lars", Role.DOMAIN_ADMIN, domain)

    assert table.admin_recipients("proj.example") == ["lars@admins.example.net"]


def test_without_admins_of_the_domain_those_of_the_project_are_asked(table, domain, now):
    make_admin(now, "kaia", Role.PROJECT_ADMIN)
    make_admin(now, "lars", Role.DOMAIN_ADMIN, make_domain(now, "other.example"))

    assert table.admin_recipients("proj.example") == ["kaia@admins.example.net"]


def test_all_admins_of_the_domain_are_found(table, domain, now):
    for name in ("kaia", "lars", "mina"):
        make_admin(now, name, Role.DOMAIN_ADMIN, domain)

    assert sorted(table.admin_recipients("proj.example")) == [
        f"{name}@admins.example.net" for name in ("kaia", "lars", "mina")
    ]


def test_an_auditor_is_no_admin(table, domain, now):
    make_admin(now, "kaia", Role.AUDITOR)
    make_admin(now, "lars", Role.AUDITOR)

    assert table.admin_recipients("proj.example") == []


def test_a_banned_admin_is_passed_over(table, domain, now):
    ban(OPERATOR, make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain), now)

    assert table.admin_recipients("proj.example") == []


def test_an_admin_without_a_verified_recipient_is_passed_over(table, domain, now):
    make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    Recipient.update(verified_at=None).execute()

    assert table.admin_recipients("proj.example") == []


def test_an_admin_with_two_identities_is_found_once(table, domain, now):
    kaia = make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=kaia, added_at=now)
    grant(OPERATOR, ISSUER, claimed_id("second"), Role.DOMAIN_ADMIN, domain, now)

    assert table.admin_recipients("proj.example") == ["kaia@admins.example.net"]


def test_a_grant_to_an_identity_that_has_not_signed_in_reaches_nobody(table, domain, now):
    grant(OPERATOR, ISSUER, claimed_id("kaia"), Role.DOMAIN_ADMIN, domain, now)

    assert table.admin_recipients("proj.example") == []


def test_a_role_given_to_another_issuers_subject_reaches_nobody(table, domain, now):
    make_recipient(make_person(now, "kaia"), now)
    grant(OPERATOR, "https://other.example/", claimed_id("kaia"), Role.DOMAIN_ADMIN, domain, now)

    assert table.admin_recipients("proj.example") == []


# -- changes count at once -------------------------------------------------------------------------


def test_a_change_counts_at_the_next_lookup(table, alias):
    assert table.find("proj.example", "ada").switch is Switch.ON

    Alias.update(switch=Switch.OFF_REFUSED).execute()

    assert table.find("proj.example", "ada").switch is Switch.OFF_REFUSED


def test_an_unfinished_change_is_not_seen_and_not_waited_for(table, alias):
    table.find("proj.example", "ada")
    with write():
        Alias.update(switch=Switch.OFF_REFUSED).execute()
        began = time.monotonic()

        assert table.find("proj.example", "ada").switch is Switch.ON
        assert time.monotonic() - began < LONGEST_WAIT


def test_the_table_works_when_no_other_connection_is_open(table, alias, db):
    db.close()

    assert table.find("proj.example", "ada") is not None


def test_a_real_table_routes_a_real_address(table, alias, settings, now):
    result = route(table, parse_address("Ada+List@Proj.Example"), settings.ops_address, now)

    assert result.fate is Fate.DELIVER
    assert result.recipients == ("ada@home.example.net",)


# -- a database that is busy, gone or broken -------------------------------------------------------


@pytest.mark.parametrize("lookup", ["serves", "find", "admin_recipients", "aliases_of"])
@pytest.mark.parametrize("connected", [True, False])
def test_a_locked_database_is_given_up_quickly_and_never_means_unknown(
    table, alias, db, settings, lookup, connected
):
    ask = lookups(table)[lookup]
    if connected and settings.database_url.startswith("postgresql"):
        ask()  # SQLite cannot be locked against readers that have it open
    db.close()
    with locked(settings.database_url):
        began = time.monotonic()
        with pytest.raises(AliasTableUnavailable):
            ask()
        assert time.monotonic() - began < LONGEST_WAIT


def test_a_database_that_was_locked_is_asked_again(table, alias, db, settings):
    db.close()
    with locked(settings.database_url), pytest.raises(AliasTableUnavailable):
        table.find("proj.example", "ada")

    assert table.find("proj.example", "ada") is not None


def test_a_postgresql_that_went_away_is_unavailable_and_then_found_again(postgres_server):
    configure(postgres_server.create("gone"))
    migrate()
    table = open_alias_table(postgres_server.url("gone"))
    assert not table.serves("proj.example")

    postgres_server.command("ALTER DATABASE gone ALLOW_CONNECTIONS false")
    postgres_server.command("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gone'")
    for _ in range(2):
        with pytest.raises(AliasTableUnavailable):
            table.serves("proj.example")

    postgres_server.command("ALTER DATABASE gone ALLOW_CONNECTIONS true")
    assert not table.serves("proj.example")
    postgres_server.drop("gone")


def test_a_postgresql_that_is_not_there_is_unavailable():
    table = open_alias_table("postgresql://waypost@127.0.0.1:1/waypost")

    with pytest.raises(AliasTableUnavailable):
        table.serves("proj.example")


def test_a_sqlite_file_that_is_not_there_is_unavailable_and_is_not_made(tmp_path):
    path = tmp_path / "none.db"

    with pytest.raises(AliasTableUnavailable):
        open_alias_table(f"sqlite:///{path}").find("proj.example", "ada")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_sqlite_file_without_tables_is_unavailable(tmp_path, content):
    path = tmp_path / "broken.db"
    path.write_bytes(content)

    with pytest.raises(AliasTableUnavailable):
        open_alias_table(f"sqlite:///{path}").find("proj.example", "ada")


@pytest.mark.parametrize("folder", ["way#1", "what?", "100%25", "ein Ordner", "%3f"])
def test_any_folder_name_may_hold_the_file(sqlite_url, tmp_path, folder):
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / "waypost.db"
    Path(sqlite_url.removeprefix("sqlite:///")).rename(path)

    assert not open_alias_table(f"sqlite:///{path}").serves("proj.example")


def test_words_of_a_newer_version_are_unavailable_and_not_unknown(table, alias):
    Alias.update(hold="newer").execute()

    with pytest.raises(AliasTableUnavailable):
        table.find("proj.example", "ada")


def test_a_lookup_changes_nothing(table, alias, settings):
    for ask in lookups(table).values():
        ask()

    assert table.find("proj.example", "'; DROP TABLE alias; --") is None
    assert Alias.select().count() == 1
