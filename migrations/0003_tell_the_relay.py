"""PostgreSQL tells the relay what has changed of what it looks up, on the channel `alias_table`.

A message is one or more lines:

    *              anything may have changed
    admins         who the admins are
    name a@b.org   the address itself: new, changed or gone; both names when it is renamed
    alias 12       which recipients or owners that alias has
    recipient 7    the recipient with that id

Nothing else, so no private address. `relay/alias_cache.py` reads them. SQLite needs none of it.
"""

from peewee import SqliteDatabase

TABLES = {
    "alias": ("'name ' || c.local_part || '@' || d.name", "JOIN domain d ON d.id = c.domain_id"),
    "alias_recipient": ("'alias ' || c.alias_id", ""),
    "alias_owner": ("'alias ' || c.alias_id", ""),
    "recipient": ("'recipient ' || c.id", ""),
}
"""What a changed row `c` says, and what must be joined to say it."""

EVENTS = {
    "INSERT": ("NEW TABLE AS now", "TABLE now"),
    "DELETE": ("OLD TABLE AS before", "TABLE before"),
    "UPDATE": (
        "OLD TABLE AS before NEW TABLE AS now",
        "(TABLE before EXCEPT TABLE now) UNION (TABLE now EXCEPT TABLE before)",
    ),
}
"""The rows that a statement has changed: one message for all of them."""

RARE = {
    "domain": ("INSERT OR UPDATE OR DELETE", "", "*"),
    "role_grant": ("INSERT OR UPDATE OR DELETE", "", "admins"),
    "identity": ("INSERT OR UPDATE OR DELETE", "", "admins"),
    "person": ("UPDATE", "WHEN (OLD.banned_at IS DISTINCT FROM NEW.banned_at)", "admins"),
}
"""When a row of these changes, one word is enough; in a transaction the same message is sent once."""

MOST = 2000
"""Octets of a message, of which PostgreSQL allows 7999; after a change of more rows than that says, `*`."""


def up(migrator, db):
    if isinstance(db, SqliteDatabase):
        return
    db.execute_sql("""
        CREATE FUNCTION tell_relay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('alias_table', TG_ARGV[0]);
            RETURN NULL;
        END $$""")
    for table, (event, condition, message) in RARE.items():
        db.execute_sql(f"""
            CREATE TRIGGER tell_relay AFTER {event} ON {table}
            FOR EACH ROW {condition} EXECUTE FUNCTION tell_relay('{message}')""")
    for table in (*RARE, *TABLES):
        db.execute_sql(f"""
            CREATE TRIGGER tell_relay_all AFTER TRUNCATE ON {table} EXECUTE FUNCTION tell_relay('*')""")
    for table in TABLES:
        for event in EVENTS:
            _tell_changed_rows(db, table, event)


def _tell_changed_rows(db, table, event):
    name = f"tell_relay_{table}_{event.lower()}"
    line, join = TABLES[table]
    seen, changed = EVENTS[event]
    # The search path is that of now: a restore of a dump has none.
    db.execute_sql(f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE
            lines text;
        BEGIN
            SELECT string_agg(DISTINCT {line}, chr(10)) INTO lines FROM ({changed}) c {join};
            IF lines IS NOT NULL THEN
                PERFORM pg_notify(
                    'alias_table', CASE WHEN octet_length(lines) <= {MOST} THEN lines ELSE '*' END
                );
            END IF;
            RETURN NULL;
        END $$""")  # noqa: S608  # put together of the constants above
    db.execute_sql(f"""
        CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {seen}
        FOR EACH STATEMENT EXECUTE FUNCTION {name}()""")
