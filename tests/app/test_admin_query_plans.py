"""No admin page reads a long table from end to end: its queries' plans say so, over a filled database.

A new page needs its addresses in `PAGES`, with each filter that it knows.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from peewee import chunked

from app import create_app
from core.bulk import Action, begin
from core.database import connection, database, utc_now, write
from core.models import (
    Alias,
    AliasOwner,
    AliasRecipient,
    AuditEntry,
    AuditSubject,
    AuditValue,
    Domain,
    Identity,
    ImportLine,
    ImportRun,
    Membership,
    Notice,
    Person,
    Recipient,
    Reservation,
    Table,
    Waiver,
)
from core.roles import Role
from core.settings import Settings
from tests.app.inside import browser_of
from tests.support.arrange import TEAM, make_admin, make_domain, make_waiver

MANY = 3000
MOST_READ = 500
"""So many rows of a long table may be read for a page; one from end to end is six times as many."""

FROM_A_KEY = re.compile(r"USING INTEGER PRIMARY KEY \(rowid[<>]\?\)")

LONG = {
    *("person", "alias", "recipient", "alias_recipient", "membership", "identity", "account_fact"),
    *("notice", "audit_entry", "audit_subject", "audit_value"),
}

PAGES = [
    "/admin",
    "/admin/waivers",
    "/admin/waivers?state=all&sort=newest",
    "/admin/waivers?q=p17&domain=proj.example&kind=domain",
    "/admin/waivers?state=granted&sort=oldest&after=1",
    "/admin/waivers/1",
    "/admin/waivers/2",
    "/admin/domains",
    "/admin/domains/new",
    "/admin/domains/1",
    "/admin/domains/1/rules",
    "/admin/domains/1/dns",
    "/admin/domains/1/zone",
    "/admin/people",
    "/admin/people?after=1500&sort=newest",
    "/admin/people?q=p17",
    "/admin/people?q=p17@proj.example",
    "/admin/people?q=p1700@home&sort=newest",
    "/admin/people?q=nobody",
    "/admin/people?state=banned",
    "/admin/people?state=held",
    "/admin/people?state=banned&sort=newest&after=1500",
    "/admin/people?state=banned&q=p17",
    "/admin/people?state=banned&domain=proj.example",
    "/admin/people?state=held&domain=proj.example&q=p17&sort=newest",
    "/admin/people?domain=proj.example",
    "/admin/people?domain=proj.example&after=1500&sort=newest",
    "/admin/people?domain=proj.example&q=p17",
    "/admin/people/17",
    "/admin/addresses/17/move?to=p18",
    "/admin/failing",
    "/admin/failing?after=70",
    "/admin/failing?sort=newest",
    "/admin/failing?after=700&sort=newest",
    "/admin/bulk",
    "/admin/bulk/1",
    "/admin/bulk/1?after=100",
    "/admin/names",
    "/admin/names/look-alikes",
    "/admin/role-addresses",
    "/admin/role-addresses?sort=newest",
    "/admin/role-addresses/3001",
    "/admin/held",
    "/admin/freed-names",
    "/admin/freed-names?after=2000",
    "/admin/lookup?address=p17%2Blist@proj.example",
    "/admin/lookup?address=postmaster@proj.example",
    "/admin/imports",
    "/admin/imports?sort=oldest",
    "/admin/imports/1",
    "/admin/imports/1?fate=loop",
    "/admin/imports/1?fate=new&after=1500",
    "/admin/waiting",
    "/admin/waiting?after=2000",
    "/admin/waiting?after=2000&sort=newest",
    "/admin/waiting?state=found&sort=newest",
    "/admin/waiting?state=found",
    "/admin/waiting?state=found&after=2000",
    "/admin/waiting?state=asking&after=2000",
    "/admin/waiting?q=k17",
    "/admin/waiting?q=k17%40proj.example&state=found",
    "/admin/waiting/20017",
    "/admin/jobs",
    "/admin/jobs?after=2000",
    "/admin/jobs?sort=oldest",
    "/admin/roles",
    "/admin/roles?who=p17",
    "/admin/audit",
    "/admin/audit?after=1500",
    "/admin/audit?sort=oldest",
    "/admin/audit?verb=rare",
    "/admin/audit?verb=rare&sort=oldest",
    "/admin/audit?verb=noted&after=1500",
    "/admin/audit?actor=person:17",
    "/admin/audit?actor=nobody&verb=noted",
    "/admin/audit?subject=person&number=17",
    "/admin/audit?subject=person&number=17&verb=rare&sort=oldest",
    "/admin/audit?actor=person:17&subject=person&number=17&verb=noted",
    "/admin/audit?subject=person",
    "/admin/audit/1",
]

ELSEWHERE = {
    "admin.audit_export": "gives out the whole record, as it says",
    "admin.first_admin": "looks for one link by its hash",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(
    request: pytest.FixtureRequest,
    settings_of_all_tests: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """A portal over a database with many rows, with one admin."""
    folder = tmp_path_factory.mktemp("plans")
    if request.param == "sqlite":
        (folder / "waypost.db").write_bytes(request.getfixturevalue("migrated_sqlite_file").read_bytes())
        url = f"sqlite:///{folder}/waypost.db"
    else:
        url = request.getfixturevalue("postgres_server").create("plans")
    own = {"database_url": url, "state_dir": folder, "resolver": "127.0.0.1:9"}
    app = create_app(settings_of_all_tests.model_copy(update=own))
    if request.param == "postgresql":
        from core.database import migrate

        migrate()
    with connection():
        _fill(utc_now())
        database.execute_sql("ANALYZE")
    yield app
    if request.param == "postgresql":
        request.getfixturevalue("postgres_server").drop("plans")


def _fill(now: datetime) -> None:
    domain = make_domain(now)
    people = [
        {
            "id": n,
            "launchpad_name": f"p{n}",
            "display_name": f"P {n}",
            "created_at": now,
            "account_created": "2009-03-01",
        }
        for n in range(1, MANY)
    ]
    ids = [row["id"] for row in people]
    rare = {n: {"failed_with": "5.1.1", "failing_since": now} for n in (70, 700)}
    with write():
        _insert(Person, people)
        _insert(Identity, [{"issuer": "i", "subject": f"s{n}", "person": n, "added_at": now} for n in ids])
        _insert(
            Alias,
            [
                {
                    "domain": domain.id,
                    "local_part": f"p{n}",
                    "person": n,
                    "switched_at": now,
                    "created_at": now,
                }
                for n in ids
            ],
        )
        _insert(
            Recipient,
            [
                {
                    "person": n,
                    "address": f"p{n}@home.example.net",
                    "address_key": f"p{n}@home.example.net",
                    "verified_at": now,
                    "failing_since": rare.get(n, {}).get("failing_since"),
                    "added_at": now,
                }
                for n in ids
            ],
        )
        _insert(AliasRecipient, [{"alias": n, "recipient": n, "position": 0} for n in ids])
        _insert(
            Membership,
            [{"person": n, "team": TEAM, "holds": True, "since": now, "read_at": now} for n in ids],
        )
        _insert(
            Notice,
            [
                {
                    "kind": "name-taken-over" if n in rare else "address-created",
                    "subject_ids": '{"newcomer": 1, "person": 2}',
                    "unique_key": f"k{n}",
                    "made_at": now,
                    "due_at": now,
                    "failed_with": rare.get(n, {}).get("failed_with"),
                    "sent_at": None if n in rare else now,
                }
                for n in ids
            ],
        )
        _fill_imports(domain, ids, now)
        _fill_record(ids, rare, now)
    if database.obj.for_update:
        for table in (Person, AuditEntry):
            name = table._meta.table_name
            database.execute_sql(f"SELECT setval('{name}_id_seq', {2 * MANY})")
    make_admin(now, "boss", Role.PROJECT_ADMIN)
    asking = Person.get_by_id(17)
    with write():
        AliasOwner.create(alias=Alias.create(**_shared(domain, now)), person=asking)
    begin(asking, Action.HOLD, range(1, 300), now)
    make_waiver(asking, domain, now)
    make_waiver(asking, domain, now, "local-part", local_part="p18+list")


def _fill_imports(domain: Domain, ids: list[int], now: datetime) -> None:
    """As many addresses again that wait for their owners, and the report of the list that they came by."""
    kept = [20_000 + n for n in ids]
    row = {"domain": domain.id, "switched_at": now, "created_at": now, "reserved_issuer": "i"}
    _insert(
        Alias, [{**row, "id": n, "local_part": f"k{n - 20_000}", "reserved_subject": f"k{n}"} for n in kept]
    )
    waits = {"launchpad_name": "p", "listed_at": now, "imported_at": now}
    _insert(Reservation, [{**waits, "alias": n, "state": "found" if n == 20_017 else "asking"} for n in kept])
    ImportRun.create(id=1, made_at=now, listed_at=now, state="done", lines=len(ids))
    _insert(
        ImportLine,
        [{"run": 1, "number": n, "address": "x", "fate": "loop" if n == 17 else "new"} for n in ids],
    )


def _shared(domain: Domain, now: datetime) -> dict[str, object]:
    moments = {"switched_at": now, "created_at": now}
    return {"id": MANY + 1, "domain": domain, "local_part": "team", "shared": True} | moments


def _fill_record(ids: list[int], rare: dict[int, Any], now: datetime) -> None:
    start = (AuditEntry.select().order_by(AuditEntry.id.desc()).first() or AuditEntry(id=0)).id
    _insert(
        AuditEntry,
        [
            {
                "id": start + n,
                "at": now,
                "actor": f"person:{n}",
                "verb": "rare" if n in rare else "noted",
                "subject_ids": "{}",
                "commitment": "0" * 64,
                "mac": "0" * 64,
            }
            for n in ids
        ],
    )
    _insert(AuditSubject, [{"entry": start + n, "name": "person", "row_id": n} for n in ids])
    _insert(AuditValue, [{"entry": start + n, "salt": b"0", "values": "{}"} for n in ids])


def _insert(table: type[Table], rows: list[dict[str, Any]]) -> None:
    for some in chunked(rows, 500):
        table.insert_many(some).execute()


@contextmanager
def queries() -> Iterator[list[tuple[str, Any]]]:
    """Note the SELECTs that are made inside."""
    found: list[tuple[str, Any]] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, tuple) and record.msg[0].startswith("SELECT"):
                found.append(record.msg)

    log, notes = logging.getLogger("peewee"), Notes()
    level = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(notes)
    try:
        yield found
    finally:
        log.removeHandler(notes)
        log.setLevel(level)


def faults_on_sqlite(sql: str, values: Any) -> list[str]:
    """Return the steps that read a long table from end to end, or from a key on until a filter has enough."""
    if "(0 = 1)" in sql or ("WHERE" not in sql and 'ORDER BY "t1"."id" DESC LIMIT' in sql):
        return []  # nothing is read, or the last row
    plan = database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    names = _names_in(sql)
    steps = [row[3] for row in plan]
    slow = [
        step for step in steps if step.startswith("SCAN ") or (" AND " in sql and FROM_A_KEY.search(step))
    ]
    return [step for step in slow if names.get(step.split()[1]) in LONG]


def _names_in(sql: str) -> dict[str, str]:
    """Return the tables of a query by the names that it gives them."""
    words = sql.replace("(", " ").replace(")", " ").split()
    found = {}
    for word, before, name in zip(words[2:], words[1:], words, strict=False):
        if before == "AS" and name.startswith('"'):
            found[word.strip('",')] = name.strip('"')
    return found


def faults_on_postgresql(sql: str, values: Any) -> list[str]:
    """Run it; return the steps that read too many rows of a long table, those that did not fit among them."""
    (answer,) = database.execute_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values).fetchone()
    return list(_faults_below(answer[0]["Plan"]))


def _faults_below(node: dict[str, Any]) -> Iterator[str]:
    removed = [value for name, value in node.items() if name.startswith("Rows Removed by")]
    read = (node.get("Actual Rows", 0) + sum(removed)) * node.get("Actual Loops", 1)
    if node.get("Relation Name") in LONG and read > MOST_READ:
        yield f"{node['Node Type']} of {node['Relation Name']} reads {read} rows"
    for below in node.get("Plans", []):
        yield from _faults_below(below)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_reads_a_long_table_from_end_to_end(app: Flask, path: str) -> None:
    with connection():
        boss = Person.get(Person.launchpad_name == "boss")
    client = browser_of(app, boss, utc_now())

    with queries() as made:
        answer = client.get(path)

    assert answer.status_code == 200
    assert made
    with connection():
        on_postgresql = bool(database.obj.for_update)
        find = faults_on_postgresql if on_postgresql else faults_on_sqlite
        faults = {f"{fault}: {sql}" for sql, values in made for fault in find(sql, values)}
    assert not faults, "\n".join(faults)


def test_a_full_scan_is_seen(app: Flask) -> None:
    """The eye of these tests: a query without an index is a fault on either database."""
    with connection():
        with queries() as made:
            list(Person.select().where(Person.display_name == "nobody"))
            list(Waiver.select())
        find = faults_on_postgresql if database.obj.for_update else faults_on_sqlite
        faults = [fault for sql, values in made for fault in find(sql, values)]
    assert len(faults) == 1


def test_every_page_is_here(app: Flask) -> None:
    routes = app.url_map.bind("")
    here = {routes.match(path.partition("?")[0], method="GET")[0] for path in PAGES}
    pages = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert {page for page in pages if page.startswith("admin.")} - here == ELSEWHERE.keys()
