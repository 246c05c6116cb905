"""core.database"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from peewee import IntegrityError, SqliteDatabase
from playhouse.migrations import Runner

from core import audit
from core import database as core_database
from core.database import (
    configure,
    connection,
    database,
    migrate,
    pending_migrations,
    sqlite_path,
    utc_now,
    write,
)
from core.models import TABLES, Domain, DomainTeam, ErasedOwner, Person, Table
from tests.support.threads import at_once


def test_moments_come_back_as_whole_seconds_in_utc(db, now):
    zone = timezone(timedelta(hours=9))
    Person.create(created_at=now.replace(microsecond=999_999).astimezone(zone))

    moment = Person.get().created_at
    assert (moment, moment.tzinfo) == (now, UTC)


def test_a_missing_moment_stays_missing(db, now):
    Person.create(created_at=now)

    assert Person.get().banned_at is None


def test_a_moment_without_a_zone_is_refused(db):
    with pytest.raises(ValueError, match="time zone"):
        Person.create(created_at=datetime(2026, 11, 26))  # noqa: DTZ001 -- that is the mistake


def test_moments_are_compared_in_queries(db, now):
    Person.create(created_at=now)

    assert Person.select().where(Person.created_at >= now).exists()
    assert not Person.select().where(Person.created_at > now).exists()


def test_the_present_moment_has_a_zone():
    assert utc_now().tzinfo is UTC


def test_foreign_keys_hold(db, now):
    with pytest.raises(IntegrityError):
        DomainTeam.create(domain=999, team="nobody")


def test_what_hangs_on_a_row_goes_with_it(db, now):
    domain = Domain.create(name="proj.example", verification_token="t", added_at=now)
    DomainTeam.create(domain=domain, team="members")
    domain.delete_instance()

    assert DomainTeam.select().count() == 0


def test_a_write_that_fails_leaves_nothing(db, now):
    with pytest.raises(ZeroDivisionError), write():
        Person.create(created_at=now)
        raise ZeroDivisionError

    assert Person.select().count() == 0


def test_a_write_inside_a_write_is_one_write(db, now):
    with pytest.raises(ZeroDivisionError), write():
        with write():
            Person.create(created_at=now)
        raise ZeroDivisionError

    assert Person.select().count() == 0


def test_a_connection_inside_a_connection_is_the_same_and_stays_open(db):
    with connection():
        pass

    assert not database.is_closed()


def test_a_connection_is_closed_at_its_end(db):
    db.close()
    with connection():
        assert not database.is_closed()

    assert database.is_closed()


def test_a_connection_is_closed_after_an_error(db):
    db.close()
    with pytest.raises(ZeroDivisionError), connection():
        raise ZeroDivisionError

    assert database.is_closed()


def test_every_thread_has_a_connection_of_its_own(db):
    mine = id(database.connection())

    others = at_once(*[lambda: id(database.connection())] * 2)
    assert mine not in others


def test_many_writers_at_once_wait_for_each_other(db, now):
    def write_ten():
        for _ in range(10):
            with write():
                count = Person.select().count()
                Person.create(created_at=now, display_name=str(count))

    assert at_once(*[write_ten] * 6) == [None] * 6
    assert Person.select().count() == 60


def test_a_migrated_database_has_nothing_pending(db):
    assert pending_migrations() == []
    assert migrate() == []


def test_a_new_sqlite_file_is_migrated_once(tmp_path):
    configure(f"sqlite:///{tmp_path}/new.db")

    pending = pending_migrations()
    assert pending == sorted(path.stem for path in core_database.MIGRATIONS.glob("[0-9]*.py"))
    assert migrate() == pending
    assert migrate() == []


def test_a_new_postgresql_database_is_migrated_once(postgres_server):
    configure(postgres_server.create("empty"))
    pending = pending_migrations()

    assert migrate() == pending != []
    assert migrate() == []
    postgres_server.drop("empty")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_owners_who_were_erased_before_are_still_known(request, engine, tmp_path):
    """Migration 0007 moves their hash from the alias into a table of its own."""
    if engine == "sqlite":
        configure(f"sqlite:///{tmp_path}/old.db")
    else:
        server = request.getfixturevalue("postgres_server")
        configure(server.create("old"))
        request.addfinalizer(lambda: server.drop("old"))
    with connection():
        Runner(database.obj, str(core_database.MIGRATIONS)).up("0001_first_tables")
        database.execute_sql(
            "INSERT INTO domain (id, name, verification_token, coc_required, grace_days, added_at)"
            " VALUES (1, 'proj.example', 't', true, 90, 1)"
        )
        for name, owner in (("ada", "'a1'"), ("grace", "NULL")):
            database.execute_sql(
                "INSERT INTO alias (domain_id, local_part, by_self_service, entitlement, switch, switched_at,"
                " hold, delivery_order, keeps_tag, created_at, erased_owner)"
                f" VALUES (1, '{name}', true, 'entitled', 'given-up', 1, 'none', 'all', false, 1, {owner})"
            )
    migrate()

    with connection():
        assert [(row.alias.local_part, row.owner) for row in ErasedOwner.select()] == [("ada", "a1")]


def test_several_that_migrate_at_once_all_succeed(tmp_path):
    configure(f"sqlite:///{tmp_path}/new.db")

    done = at_once(migrate, migrate, migrate)
    assert [result for result in done if isinstance(result, Exception)] == []
    assert pending_migrations() == []


def test_the_number_of_a_row_that_the_record_speaks_of_is_not_given_again(db, now):
    """SQLite would, and what was said of one person would be read as said of the next."""
    audit.use_secret("a secret of more than 32 characters")
    first, second = Person.create(created_at=now), Person.create(created_at=now)
    with write():
        audit.record(audit.OPERATOR, "person-seen", {"person": second.id}, {}, now)
    second.delete_instance()

    assert Person.create(created_at=now).id > second.id > first.id


def columns_and_indexes() -> dict[str, object]:
    """What the database says of the tables of the models."""
    return {
        table._meta.table_name: (
            sorted(map(str, database.get_columns(table._meta.table_name))),
            sorted((tuple(i.columns), i.unique) for i in database.get_indexes(table._meta.table_name)),
            sorted(
                (k.column, k.dest_table, k.dest_column)
                for k in database.get_foreign_keys(table._meta.table_name)
            ),
        )
        for table in TABLES
    }


def rules_of_foreign_keys() -> list[tuple[object, ...]]:
    """What happens to the rows that hang on a deleted one."""
    if isinstance(database.obj, SqliteDatabase):
        return sorted(
            (table._meta.table_name, row[3], row[6])
            for table in TABLES
            for row in database.execute_sql(f"PRAGMA foreign_key_list({table._meta.table_name})").fetchall()
        )
    query = """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE contype = 'f' ORDER BY 1, 2"""
    return database.execute_sql(query).fetchall()


def lengths() -> list[tuple[object, ...]]:
    """Which lengths PostgreSQL holds the columns to."""
    query = """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
               FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name <> 'schema_migration' ORDER BY 1, 2"""
    return database.execute_sql(query).fetchall()


def test_the_migrations_make_the_tables_of_the_models_on_sqlite(sqlite_url):
    configure(sqlite_url)
    with connection():
        migrated = (columns_and_indexes(), rules_of_foreign_keys())
        database.drop_tables(TABLES)
        database.create_tables(TABLES)

        assert (columns_and_indexes(), rules_of_foreign_keys()) == migrated


def test_the_migrations_make_the_tables_of_the_models_on_postgresql(postgres_server):
    configure(postgres_server.create("compared"))
    migrate()
    with connection():
        migrated = (columns_and_indexes(), rules_of_foreign_keys(), lengths())
        database.drop_tables(TABLES)
        database.create_tables(TABLES)

        assert (columns_and_indexes(), rules_of_foreign_keys(), lengths()) == migrated
    postgres_server.drop("compared")


def test_every_table_of_the_models_is_listed():
    assert set(Table.__subclasses__()) == set(TABLES)


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///var/waypost.db", "var/waypost.db"), ("sqlite:////srv/waypost.db", "/srv/waypost.db")],
)
def test_a_sqlite_url_has_a_relative_or_absolute_path(url, path):
    assert sqlite_path(url) == path


def test_a_password_with_special_characters_is_decoded():
    chosen = configure("postgresql://way%40post:p%40ss%2Fword%23%25@db.example.org:5433/waypost")

    assert chosen.database == "waypost"
    assert chosen.connect_params["user"] == "way@post"
    assert chosen.connect_params["password"] == "p@ss/word#%"
    assert (chosen.connect_params["host"], chosen.connect_params["port"]) == ("db.example.org", 5433)


def test_sqlite_is_opened_with_wal_and_foreign_keys(sqlite_url):
    configure(sqlite_url)
    with connection():
        assert database.execute_sql("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute_sql("PRAGMA foreign_keys").fetchone() == (1,)
