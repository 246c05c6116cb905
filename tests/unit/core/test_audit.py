"""core.audit"""

import json

import pytest

from core import audit
from core.account import erase
from core.audit import OPERATOR, Actor, Head, first_fault, head, record, seal_head
from core.database import connection, write
from core.models import AuditEntry, AuditHead, AuditSubject, AuditValue
from tests.support.arrange import make_alias, make_domain, make_member
from tests.support.threads import at_once


@pytest.fixture
def entries(db, now) -> list[AuditEntry]:
    """Three entries of a chain that holds."""
    for name in ("ada", "grace", "kaia"):
        with write():
            record(Actor.person(7), "person-renamed", {"person": 7}, {"name": name}, now)
    return list(AuditEntry.select().order_by(AuditEntry.id))


def test_an_empty_chain_holds(db):
    assert first_fault() is None


def test_an_untouched_chain_holds(entries):
    assert first_fault() is None


def test_an_entry_says_who_did_what_to_what_and_when(entries, now):
    entry = entries[0]

    assert (entry.actor, entry.verb, entry.at) == ("person:7", "person-renamed", now)
    assert json.loads(entry.subject_ids) == {"person": 7}


def test_personal_values_lie_in_the_side_table_only(entries):
    for entry in entries:
        assert "grace" not in json.dumps(
            [entry.actor, entry.verb, entry.subject_ids, entry.commitment, entry.mac]
        )
    assert [json.loads(row.values)["name"] for row in AuditValue.select().order_by(AuditValue.entry)] == [
        "ada",
        "grace",
        "kaia",
    ]


def test_the_same_values_have_other_commitments_each_time(db, now):
    for _ in range(2):
        with write():
            record(OPERATOR, "noted", {}, {"name": "ada"}, now)

    one, other = AuditEntry.select()
    assert one.commitment != other.commitment


@pytest.mark.parametrize("field", ["actor", "verb", "subject_ids", "commitment", "mac", "at"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_entry_is_found(entries, now, field, position):
    changed = now.replace(year=2020) if field == "at" else "changed"
    AuditEntry.update({field: changed}).where(AuditEntry.id == entries[position].id).execute()

    assert str(entries[position].id) in first_fault()


@pytest.mark.parametrize("position", [0, 1])
def test_a_missing_entry_is_found(entries, position):
    AuditEntry.delete().where(AuditEntry.id == entries[position].id).execute()

    assert str(entries[position + 1].id) in first_fault()


def test_two_entries_that_changed_places_are_found(entries):
    first, second = entries[0].id, entries[1].id
    AuditValue.delete().execute()
    AuditSubject.delete().execute()
    for old, new in ((first, 0), (second, first), (0, second)):
        AuditEntry.update(id=new).where(AuditEntry.id == old).execute()

    assert str(first) in first_fault()


def test_an_entry_put_in_is_found(entries):
    copy = entries[0]
    AuditValue.delete().where(AuditValue.entry == copy).execute()
    copy.id = entries[-1].id + 1
    copy.save(force_insert=True)

    assert str(copy.id) in first_fault()


@pytest.mark.parametrize("change", [{"values": '{"name": "mallory"}'}, {"salt": b"0" * 16}])
def test_changed_values_are_found(entries, change):
    AuditValue.update(change).where(AuditValue.entry == entries[1]).execute()

    assert first_fault() == f"The values of entry {entries[1].id} were changed."


def test_values_of_two_entries_that_changed_places_are_found(entries):
    one, other = (AuditValue.get(AuditValue.entry == entry) for entry in entries[:2])
    for row, source in ((one, other), (other, one)):
        AuditValue.update(salt=source.salt, values=source.values).where(
            AuditValue.entry == row.entry_id
        ).execute()

    assert first_fault() is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.delete_instance(),
        lambda row: AuditSubject.update(row_id=row.row_id + 1).where(AuditSubject.id == row.id).execute(),
        lambda row: AuditSubject.create(entry=row.entry, name=row.name, row_id=row.row_id + 1),
    ],
    ids=["taken-out", "changed", "put-in"],
)
def test_an_entry_that_is_not_found_by_what_it_speaks_of_is_found(entries, change):
    row = AuditSubject.select().order_by(AuditSubject.id)[1]
    change(row)

    assert first_fault() == (
        f"Entry {row.entry_id} is not found by what it speaks of: that table was changed."
    )


def test_erasing_values_keeps_the_chain_whole(entries):
    AuditValue.delete().where(AuditValue.entry == entries[1]).execute()

    assert first_fault() is None


def test_values_invented_for_an_erased_entry_are_found(entries):
    AuditValue.delete().where(AuditValue.entry == entries[1]).execute()
    AuditValue.create(entry=entries[1], salt=b"0" * 16, values='{"name": "mallory"}')

    assert first_fault() is not None


def test_a_chain_made_with_another_secret_does_not_hold(entries):
    audit.use_secret("another record secret, 32 letters")

    assert str(entries[0].id) in first_fault()


def test_an_entry_outside_a_transaction_is_refused(db, now):
    with pytest.raises(RuntimeError):
        record(OPERATOR, "noted", {}, {}, now)

    assert AuditEntry.select().count() == 0


def test_without_a_key_nothing_is_recorded_and_nothing_called_whole(db, now, monkeypatch):
    monkeypatch.setattr(audit, "_key", None)

    with pytest.raises(RuntimeError), write():
        record(OPERATOR, "noted", {}, {}, now)
    with pytest.raises(RuntimeError):
        first_fault()


def test_an_entry_goes_with_the_change_that_failed(entries, now):
    with pytest.raises(ZeroDivisionError), write():
        record(OPERATOR, "noted", {}, {}, now)
        raise ZeroDivisionError

    assert AuditEntry.select().count() == 3
    assert first_fault() is None


def test_values_may_be_of_any_script_and_kind(db, now):
    with write():
        record(OPERATOR, "noted", {}, {"name": "鈴木 純 🏳️‍🌈", "at": now, "nul": "\x00"}, now)

    assert first_fault() is None


def test_many_writers_at_once_keep_one_chain(db, now):
    def write_ten():
        for number in range(10):
            with write():
                record(OPERATOR, "noted", {"number": number}, {"number": number}, now)

    assert at_once(*[write_ten] * 8) == [None] * 8
    assert AuditEntry.select().count() == 80
    assert first_fault() is None


def test_the_chain_is_checked_while_others_write(db, now):
    def write_many():
        for _ in range(30):
            with write():
                record(OPERATOR, "noted", {}, {}, now)

    def check():
        with connection():
            return {first_fault() for _ in range(10)}

    assert at_once(write_many, check, write_many) == [None, {None}, None]


def test_many_entries_are_still_one_chain(db, now):
    with write():
        for number in range(200):
            record(OPERATOR, "noted", {"number": number}, {"number": number}, now)

    assert first_fault() is None


def cut_off(entries, kept: int) -> None:
    """Take away all entries but the first few, as somebody who has the database and not the key."""
    gone = [entry.id for entry in entries[kept:]]
    for table, field in ((AuditValue, AuditValue.entry), (AuditSubject, AuditSubject.entry)):
        table.delete().where(field.in_(gone)).execute()
    AuditEntry.delete().where(AuditEntry.id.in_(gone)).execute()


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_an_end_that_was_cut_off_is_found(entries, kept):
    cut_off(entries, kept)

    assert str(entries[-1].id) in first_fault()


def test_an_end_that_was_cut_off_is_found_when_its_mark_is_gone_too(entries):
    cut_off(entries, 2)
    AuditHead.delete().execute()

    assert "mark" in first_fault()


def test_a_mark_moved_to_another_entry_is_found(entries):
    AuditHead.update(entry_id=entries[1].id).execute()
    cut_off(entries, 2)

    assert first_fault() is not None


def test_an_end_that_was_cut_off_stays_found_when_others_write_on(entries, now):
    cut_off(entries, 2)
    with write():
        record(OPERATOR, "noted", {}, {}, now)

    assert first_fault() is not None


def test_an_old_copy_of_the_whole_record_is_found_by_a_head_kept_elsewhere(entries, now):
    mark = AuditHead.get()
    with write():
        record(OPERATOR, "noted", {}, {}, now)
    noted = Head.parse(str(head()))
    cut_off([AuditEntry.get_by_id(noted.entry_id)], 0)
    AuditHead.update(entry_id=mark.entry_id, seal=mark.seal).execute()

    assert first_fault() is None
    assert first_fault(noted) == f"Entry {noted.entry_id} was the last one once, and is gone."


def test_a_head_kept_elsewhere_is_found_again_further_on(entries, now):
    noted = head()
    with write():
        record(OPERATOR, "noted", {}, {}, now)

    assert first_fault(noted) is None


@pytest.mark.parametrize("text", ["", "7", "7:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_refused(text):
    with pytest.raises(ValueError, match="a head is"):
        Head.parse(text)


def test_a_chain_begun_before_ends_were_marked_is_marked_once(entries):
    AuditHead.delete().execute()
    with write():
        seal_head()
    assert first_fault() is None

    cut_off(entries, 2)
    with write():
        seal_head()
    assert first_fault() is not None


def test_erasing_a_person_keeps_the_chain_whole(db, settings, now):
    ada = make_member(now)
    make_alias(ada, make_domain(now), now, recipients=[ada.recipients.get()])
    with write():
        record(Actor.person(ada.id), "alias-labelled", {"person": ada.id}, {"address": "secret@x"}, now)
    before = AuditEntry.select().count()

    assert erase(ada.id, settings.record_secret, now)

    assert AuditEntry.select().count() > before
    assert not AuditValue.select().where(AuditValue.values.contains("secret@x")).exists()
    assert first_fault() is None
