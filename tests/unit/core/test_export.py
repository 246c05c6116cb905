"""core.export"""

import json

import pytest

from core.audit import OPERATOR, record
from core.database import write
from core.export import LEFT_OUT, PARTS, WITHHELD, counts, entries_about, export
from core.models import (
    TABLES,
    Alias,
    AliasRecipient,
    AuditEntry,
    AuditSubject,
    AuditValue,
    Domain,
    Notice,
    Person,
    Recipient,
)
from core.notices import tell_admins
from core.roles import Role
from core.sessions import open_session
from tests.support.arrange import make_admin, make_alias, make_domain, make_member, make_recipient
from tests.support.traces import leave_traces


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def person(domain, settings, now) -> Person:
    return leave_traces(domain, settings.record_secret, now)


@pytest.fixture
def exported(person, settings, now):
    """The export, through JSON and back."""
    return json.loads(json.dumps(export(person, settings.record_secret, now)))


def test_every_table_is_exported_or_left_out_with_a_reason():
    """A new table must be put into `PARTS`, or into `LEFT_OUT` with a sentence for the person."""
    assert set(PARTS) | set(LEFT_OUT) == set(TABLES)
    assert not set(PARTS) & set(LEFT_OUT)
    assert all(why.endswith(".") for why in [*LEFT_OUT.values(), *WITHHELD.values()])


def test_no_table_that_names_a_person_is_left_out():
    """By its foreign keys: straight to a person, or by way of a recipient, an alias, or the like."""
    personal = {Person}
    while True:
        more = {t for t in TABLES if any(key.rel_model in personal for key in t._meta.refs)} - personal
        if not more:
            break
        personal |= more
    # The two that hang on the entries of the record are in them.
    assert not personal & set(LEFT_OUT)
    assert {AuditValue, AuditSubject} <= set(LEFT_OUT)


def test_all_that_there_is_of_somebody_is_in_it(exported):
    assert [name for name, rows in exported["data"].items() if not rows] == []


def test_every_column_is_in_it_but_those_withheld(exported):
    for table in PARTS:
        name = table._meta.table_name
        own = {f.name for f in table._meta.sorted_fields}
        missing = own - exported["data"][name][0].keys()
        withheld = {field.name for field in WITHHELD if field.model is table}
        owner = {f.name for f in table._meta.sorted_fields if getattr(f, "rel_model", None) is Person}
        assert missing == withheld | owner, name
        for column in withheld:
            assert f"{name}.{column}" in exported["left_out"]


def test_what_a_person_knows_themselves_by_is_there_in_words(exported):
    data = exported["data"]

    assert data["person"][0]["sign_in_email"] == "treasure.sso@sso.example.net"
    assert data["identity"][0]["subject"] == "https://login.ubuntu.com/+id/Treasure7x"
    assert {row["domain"] for row in data["alias"]} == {"proj.example"}
    assert {row["local_part"] for row in data["alias"]} == {"treasure", "treasure.two", "team", "kept"}
    assert ("treasure@proj.example", "treasure@home.example.net") in {
        (row["alias"], row["recipient"]) for row in data["alias_recipient"]
    }
    assert data["delivery_count"][0]["recipient"] == "treasure@home.example.net"
    assert data["erased_owner"][0]["alias"] == "before@proj.example"
    assert data["membership"][0]["since"] == "2026-11-26T12:00:00+00:00"
    assert data["waiver"][0]["reason"] == "I was treasure before, too."


def test_of_an_address_that_is_only_kept_no_recipient_is_in_it(exported):
    """The old list may mean somebody else of that name, until it is proven."""
    assert exported["data"]["reservation"][0]["alias"] == "kept@proj.example"
    assert "elsewhere" not in json.dumps(exported)


def test_the_record_says_what_was_changed_and_whether_by_oneself(exported):
    entries = {row["verb"]: row for row in exported["data"]["audit_entry"]}

    assert entries["alias-claimed"]["actor"] == "you"
    assert entries["alias-claimed"]["values"]["recipient"] == "treasure@home.example.net"
    assert entries["alias-held"]["actor"] == "operator"
    assert entries["person-looked-at"]["actor"] == "another person"
    assert "role-granted" in entries


def test_it_holds_no_secret(person, exported, settings, now):
    text = json.dumps(exported)

    secrets = [row.token_hash for row in person.sessions]
    secrets += [row.proof_nonce for row in Recipient.select() if row.proof_nonce]
    assert len(secrets) >= 2
    assert not [secret for secret in secrets if secret in text]


def test_it_holds_nothing_of_anybody_else(domain, person, settings, now):
    other = make_member(now, "stranger")
    make_alias(other, domain, now, "stranger", recipients=[other.recipients.get()])
    admin = make_admin(now, "stranger-admin", Role.DOMAIN_ADMIN, domain)
    shared = Alias.get(local_part="team")
    theirs = make_recipient(other, now, "stranger2@x.example")
    AliasRecipient.create(alias=shared, recipient=theirs, position=1)
    with write():
        open_session(other, now)
        tell_admins(domain, "address-created", person, {"alias": shared.id}, "stranger:1", now)
        record(OPERATOR, "alias-moved", {"alias": shared.id, "person": other.id}, {"to": "stranger"}, now)

    text = json.dumps(export(person, settings.record_secret, now))

    assert "stranger" not in text
    assert Notice.select().where(Notice.recipient == admin.recipients.get()).exists()
    assert '"other"' not in text  # who else is in the team


def test_an_entry_on_somebody_elses_time_with_an_alias_is_not_mine(domain, person, now):
    alias = Alias.get(person=person)
    with write():
        record(OPERATOR, "alias-moved", {"alias": alias.id, "person": person.id + 99}, {"x": "theirs"}, now)

    last = AuditEntry.select().order_by(AuditEntry.id.desc()).get()
    assert last.id not in entries_about(person)


def test_somebody_who_only_signed_in_has_little(domain, settings, now):
    person = make_member(now)

    data = export(person, settings.record_secret, now)["data"]
    assert sorted(name for name, rows in data.items() if rows) == [
        "account_fact", "identity", "membership", "person", "recipient",
    ]  # fmt: skip


def test_counts_are_those_of_the_export(person, exported, settings):
    found = counts(person, settings.record_secret)

    assert {table._meta.table_name: number for table, number in found.items()} == {
        name: len(rows) for name, rows in exported["data"].items()
    }


def test_what_is_known_of_somebody_who_was_joined_into_one_is_theirs_too(person, settings, now):
    """Two rows of one account became one person; the record speaks of the older numbers still."""
    with write():
        for gone, into in ((9001, 9000), (9000, person.id)):
            record(OPERATOR, "person-seen", {"person": gone}, {"name": f"treasure-{gone}"}, now)
            record(OPERATOR, "people-joined", {"person": into, "gone": gone}, {}, now)
        record(OPERATOR, "person-seen", {"person": 9002}, {"name": "stranger"}, now)

    text = json.dumps(export(person, settings.record_secret, now))

    assert "treasure-9000" in text
    assert "treasure-9001" in text
    assert "stranger" not in text
