"""What PostgreSQL says on its channel when the alias table changes (migration 0003)"""

import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
import structlog
from playhouse.migrations import Runner

from core import alias_table, runtime
from core.alias_table import open_alias_table
from core.audit import OPERATOR
from core.database import MIGRATIONS, configure, connection, database, migrate, write
from core.models import Alias, AliasOwner, AliasRecipient, Domain, Identity, Person, Recipient, RoleGrant
from core.people import ban
from core.recipients import attach
from core.roles import Role
from core.routing import Hold, Switch
from tests.support.arrange import (
    ISSUER,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
)

Told = Callable[[], list[str]]


@pytest.fixture
def told(postgres_url, settings_of_all_tests) -> Iterator[Told]:
    """Return the messages since the last call. One of the test's own marks where they end."""
    runtime.prepare(settings_of_all_tests.model_copy(update={"database_url": postgres_url}))
    with connection(), psycopg.connect(postgres_url, autocommit=True) as listening:
        listening.execute("LISTEN alias_table")

        def messages() -> list[str]:
            database.execute_sql("SELECT pg_notify('alias_table', 'end')")
            found = []
            for message in listening.notifies(timeout=30):
                if message.payload == "end":
                    return found
                found.append(message.payload)
            raise AssertionError("nothing comes")

        yield messages
    structlog.reset_defaults()


@pytest.fixture
def alias(told, now) -> Alias:
    ada = make_member(now)
    alias = make_alias(ada, make_domain(now), now, recipients=[ada.recipients.get()])
    told()
    return alias


def lines(messages: list[str]) -> set[str]:
    return {line for message in messages for line in message.split("\n")}


# -- what a change says ------------------------------------------------------------------------------


def test_an_alias_says_its_name(told, alias, now):
    eva = make_alias(None, alias.domain, now, "eva")
    assert told() == ["name eva@proj.example"]

    Alias.update(switch=Switch.OFF_REFUSED).where(Alias.id == eva.id).execute()
    assert told() == ["name eva@proj.example"]

    eva.delete_instance()
    assert told() == ["name eva@proj.example"]


def test_a_renamed_alias_says_both_names(told, alias, now):
    Alias.update(local_part="eva").execute()
    assert lines(told()) == {"name ada@proj.example", "name eva@proj.example"}

    other = make_domain(now, "other.example")
    told()
    Alias.update(domain=other).execute()
    assert lines(told()) == {"name eva@proj.example", "name eva@other.example"}


def test_a_recipient_says_its_id(told, alias, now):
    recipient = make_recipient(alias.person, now, "new@home.example.net", proven=False)
    said = f"recipient {recipient.id}"
    assert told() == [said]

    for change in ({"verified_at": now}, {"failing_since": now}, {"address": "x@home.example.net"}):
        Recipient.update(change).where(Recipient.id == recipient.id).execute()
        assert told() == [said]

    recipient.delete_instance()
    assert told() == [said]


def test_what_an_alias_has_says_the_id_of_the_alias(told, alias, now):
    other = make_recipient(alias.person, now, "new@home.example.net")
    told()

    with write():
        attach(alias, other)
    assert told() == [f"alias {alias.id}"]
    AliasRecipient.update(position=AliasRecipient.position + 1).execute()
    assert told() == [f"alias {alias.id}"]
    AliasRecipient.delete().execute()
    assert told() == [f"alias {alias.id}"]

    AliasOwner.create(alias=alias, person=alias.person)
    assert told() == [f"alias {alias.id}"]
    AliasOwner.delete().execute()
    assert told() == [f"alias {alias.id}"]


def test_what_goes_with_a_deleted_row_is_said_too(told, alias):
    recipient = Recipient.get()
    recipient.delete_instance()
    assert lines(told()) == {f"recipient {recipient.id}", f"alias {alias.id}"}


def test_who_the_admins_are_is_said_without_saying_who(told, alias, now):
    kaia = make_person(now, "kaia")
    assert told() == ["admins"]
    RoleGrant.create(issuer=ISSUER, subject="x", role=Role.PROJECT_ADMIN, granted_at=now)
    assert told() == ["admins"]
    ban(OPERATOR, kaia, now)
    assert told() == ["admins"]
    Identity.delete().where(Identity.person == kaia).execute()
    assert told() == ["admins"]


def test_a_domain_says_that_anything_may_have_changed(told, alias, now):
    domain = make_domain(now, "other.example")
    assert set(told()) == {"*"}
    Domain.update(removed_at=now).where(Domain.id == domain.id).execute()
    assert told() == ["*"]


def test_an_emptied_table_says_that_anything_may_have_changed(told, alias):
    database.execute_sql("TRUNCATE alias_recipient")
    assert told() == ["*"]


def test_what_changes_nothing_says_nothing(told, alias, now):
    alias.save()
    Recipient.get().save()
    Alias.update(hold=Hold.ADMIN).where(Alias.local_part == "nobody").execute()
    Person.update(asked_at=now, display_name="Ada L.").execute()
    with pytest.raises(ZeroDivisionError), write():
        Alias.update(hold=Hold.ADMIN).execute()
        raise ZeroDivisionError

    assert told() == []


def test_a_change_of_some_rows_is_one_message(told, alias, now):
    with write():
        for number in range(9):
            make_alias(None, alias.domain, now, f"name{number}")
    told()

    Alias.update(hold=Hold.ADMIN).where(Alias.id != alias.id).execute()
    (message,) = told()
    assert message.split("\n") == [f"name name{number}@proj.example" for number in range(9)]


def test_a_change_of_ten_thousand_rows_is_one_short_message(told, alias):
    database.execute_sql("""
        INSERT INTO recipient (address, address_key, added_at)
        SELECT number || '@home.example.net', number || '@home.example.net', 1
        FROM generate_series(1, 10000) number""")
    assert told() == ["*"]
    Recipient.update(failing_with="5.1.1").execute()
    assert told() == ["*"]


def test_a_message_has_names_of_ours_and_ids_and_nothing_else(told, now):
    """Every table that speaks is changed, with private words in all that is not ours to tell."""
    domain = make_domain(now)
    private = make_admin(now, "private", Role.DOMAIN_ADMIN, domain)
    recipient = make_recipient(private, now, "private@private.example")
    alias = make_alias(None, domain, now, recipients=[recipient], reserved_subject="private")
    AliasOwner.create(alias=alias, person=private)
    Recipient.update(address="secret@private.example", failing_with="5.1.1").execute()
    Alias.update(reserved_issuer="https://private.example/").execute()
    Identity.update(subject="https://private.example/+id/private").execute()
    ban(OPERATOR, private, now)
    Person.update(display_name="Private").execute()
    for table in (AliasRecipient, AliasOwner, Recipient, RoleGrant, Identity, Alias, Person, Domain):
        table.delete().execute()

    allowed = re.compile(r"\*|admins|name ada@proj\.example|alias \d+|recipient \d+")
    said = lines(told())
    assert {line.partition(" ")[0] for line in said} == {"*", "admins", "name", "alias", "recipient"}
    assert [line for line in said if not allowed.fullmatch(line)] == []


def test_every_table_that_the_relay_reads_speaks(told):
    """A query that reads one more table needs its triggers, or the relay would not hear of changes."""
    queries = "".join(value for value in vars(alias_table).values() if isinstance(value, str))
    read = set(re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)", queries))
    events = database.execute_sql("""
        SELECT event_object_table, string_agg(DISTINCT event_manipulation, ' ' ORDER BY event_manipulation)
        FROM information_schema.triggers WHERE trigger_name LIKE 'tell_relay%%' GROUP BY 1""").fetchall()

    assert len(read) > 5
    for table in read - {"person"}:
        assert dict(events)[table] == "DELETE INSERT UPDATE"
    assert dict(events)["person"] == "UPDATE"  # one that comes or goes has an identity that says so


# -- the migration on databases that have rows --------------------------------------------------------

ROWS = """
INSERT INTO domain (id, name, verification_token, verified_at, coc_required, grace_days, added_at)
VALUES (1, 'proj.example', 't', 1, true, 90, 1);
INSERT INTO alias (id, domain_id, local_part, by_self_service, entitlement, switch, switched_at, hold,
                   delivery_order, keeps_tag, created_at)
VALUES (1, 1, 'ada', false, 'entitled', 'on', 1, 'none', 'all', false, 1);
INSERT INTO recipient (id, address, address_key, imported_at, added_at)
VALUES (1, 'ada@home.example.net', 'ada@home.example.net', 1, 1);
INSERT INTO alias_recipient (id, alias_id, recipient_id, position) VALUES (1, 1, 1, 0);
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_rows_from_before_are_looked_up_and_speak(engine, request, tmp_path):
    if engine == "sqlite":
        url = f"sqlite:///{tmp_path}/before.db"
    else:
        url = request.getfixturevalue("postgres_server").create("before")
    configure(url)
    with connection():
        Runner(database.obj, str(MIGRATIONS)).up("0001_first_tables")
        for statement in filter(str.strip, ROWS.split(";")):
            database.execute_sql(statement)
    assert "0003_tell_the_relay" in migrate()

    table = open_alias_table(url)
    assert [each.address for each in table.find("proj.example", "ada").recipients] == ["ada@home.example.net"]
    with connection():
        Alias.update(switch=Switch.OFF_REFUSED).execute()
        assert table.find("proj.example", "ada").switch is Switch.OFF_REFUSED
        if engine == "postgresql":
            with psycopg.connect(url, autocommit=True) as listening:
                listening.execute("LISTEN alias_table")
                Alias.update(switch=Switch.ON).execute()
                (message,) = listening.notifies(timeout=30, stop_after=1)
            assert message.payload == "name ada@proj.example"
    if engine == "postgresql":
        request.getfixturevalue("postgres_server").drop("before")
