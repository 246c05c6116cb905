"""What admins look at, beside the people and addresses of the portal's benchmark."""

from bench.portal.population import ALIASES_EACH, insert
from core import database
from core.database import utc_now
from core.models import BulkRun, Domain, ImportRun, Person, RoleGrant
from core.roles import Role
from core.settings import Settings

ADMIN = 1
"""The person who looks."""

# {nth} is a number below 100 that differs from line to line; the sign % would stand for a value in psycopg.
_RECORD = """
audit_entry (id, at, actor, verb, subject_ids, commitment, mac) SELECT {entry}, {now} - {last} + i, \
'person:' || {person}, CASE WHEN i = 77 THEN 'alias-released' ELSE 'recipient-added' END, \
'{{"person": ' || {person} || '}}', '{zeros}', '{zeros}'
audit_subject (entry_id, name, row_id) SELECT {entry}, 'person', {person}
audit_value (entry_id, salt, "values") SELECT {entry}, CAST('salt' AS {octets}), '{{}}'
"""
_NOTICES = """
notice (kind, person_id, to_sign_in, subject_ids, unique_key, made_at, due_at, sent_at, failed_with) SELECT \
CASE WHEN {nth} = 1 THEN 'name-taken-over' ELSE 'address-created' END, {person}, {no}, \
'{{"person": ' || {person} || ', "newcomer": ' || ({person} / 2 + 1) || '}}', 'k' || i, {now}, {now}, \
CASE WHEN {nth} = 2 THEN NULL ELSE {now} END, CASE WHEN {nth} = 2 THEN '5.1.1' END
"""
_ASKED = """
waiver (person_id, kind, domain_id, reason, state, asked_at, answer) SELECT {person}, 'domain', 1, \
'It is mine.', CASE WHEN {nth} = 3 THEN 'asked' WHEN {nth} < 40 THEN 'refused' ELSE 'granted' END, \
{now} - i, ''
"""
_WAITING = """
alias (id, domain_id, local_part, by_self_service, entitlement, switch, switched_at, hold, delivery_order, \
keeps_tag, label, reserved_issuer, reserved_subject, shared, created_at) SELECT {kept}, 1, 'kept' || i, \
{no}, 'entitled', 'on', {now}, 'none', 'all', {no}, '', 'x', 'kept' || i, {no}, {now}
reservation (alias_id, launchpad_name, listed_at, imported_at, state, code_tries) SELECT {kept}, \
'kept' || i, {now}, {now}, CASE WHEN {nth} = 4 THEN 'unclear' ELSE 'found' END, 0
import_line (run_id, number, address, fate, detail) SELECT 1, i + 1, 'kept' || i || '@domain1.example', \
CASE WHEN {nth} = 5 THEN 'bad-address' ELSE 'new' END, ''
bulk_line (run_id, person_id, outcome) SELECT 1, {person}, CASE WHEN {nth} < 50 THEN 'done' END
"""
_SHARED = """
alias (id, domain_id, local_part, by_self_service, entitlement, switch, switched_at, hold, delivery_order, \
keeps_tag, label, shared, created_at) SELECT {role}, 1, 'role' || i, {no}, 'entitled', 'on', {now}, 'none', \
'all', {no}, '', {yes}, {now}
alias_owner (alias_id, person_id, entitlement, hold) SELECT {role}, {person}, 'entitled', 'none'
"""


def fill_for_admins(settings: Settings, people: int) -> None:
    """Add what makes the admins' pages long; as many entries in the record as there are addresses."""
    database.configure(settings.database_url)
    entries, now = people * ALIASES_EACH, utc_now()
    with database.connection():
        if database.database.obj.for_update:
            database.database.execute_sql("SET session_replication_role = replica")
        with database.write():
            Domain.update(proof_missing_since=now).where(Domain.id == 2).execute()
            ImportRun.create(id=1, made_at=now, listed_at=now, state="done", lines=people, done=people)
            BulkRun.create(id=1, by=ADMIN, action="check", begun_at=now)
            RoleGrant.create(issuer="x", subject="subject0", role=Role.PROJECT_ADMIN, granted_at=now)
            for texts, count in [(_RECORD, entries), (_NOTICES, people), (_ASKED, people // 4)]:
                _insert(texts, count, people, int(now.timestamp()))
            _insert(_WAITING, people, people, int(now.timestamp()))
            _insert(_SHARED, people // 500, people, int(now.timestamp()))
            _mark_some(int(now.timestamp()))
        if database.database.obj.for_update:
            database.database.execute_sql("VACUUM ANALYZE")  # as autovacuum would soon
        assert Person.select().where(Person.banned_at.is_null(False)).exists()


def _insert(texts: str, count: int, people: int, now: int) -> None:
    on_postgresql = bool(database.database.obj.for_update)
    values = {"yes": "TRUE", "no": "FALSE", "now": now, "last": count, "zeros": "0" * 64}
    values |= {"octets": "bytea" if on_postgresql else "BLOB", "nth": "(i - i / 100 * 100)"}
    values |= {"person": f"(i - i / {people} * {people} + 1)", "entry": "(i + 1000)"}
    values |= {"kept": f"(i + {2 * people * ALIASES_EACH})", "role": f"(i + {4 * people * ALIASES_EACH})"}
    insert(texts, count, values)


def _mark_some(now: int) -> None:
    """Let one mailbox in fifty fail; ban one person in five hundred, hold one address in a thousand."""
    for sql in (
        f"UPDATE recipient SET failing_since = {now} - id, failing_with = '5.1.1' WHERE id / 50 * 50 = id",
        f"UPDATE person SET banned_at = {now} WHERE id / 500 * 500 = id",
        "UPDATE alias SET hold = 'admin' WHERE id / 1000 * 1000 = id",
        f"UPDATE account_fact SET held_at = {now}, turned_at = {now} WHERE id / 20000 * 20000 = id",
    ):
        database.database.execute_sql(sql)
