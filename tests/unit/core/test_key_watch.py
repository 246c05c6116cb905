"""core.key_watch, against a real DNS server on loopback"""

from collections.abc import Iterator

import pytest

from core import domains, key_watch
from core.audit import OPERATOR, first_fault
from core.database import database
from core.domains import make_resolver
from core.key_watch import check_keys
from core.letters import write_letter
from core.models import AuditEntry, DkimKey, Domain, Notice
from core.signing_keys import State, create_key, keys_in_use, rotate_key, state_of
from core.sweep import sweep
from devtools.resolver import PretendResolver, Trouble
from tests.support.arrange import DOMAIN, later, make_domain
from tests.support.threads import at_once

ALL_TROUBLES = [Trouble.SERVFAIL, Trouble.REFUSED, Trouble.TIMEOUT, Trouble.TRUNCATED_NO_TCP]


@pytest.fixture(scope="module")
def dns_server() -> Iterator[PretendResolver]:
    server = PretendResolver()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def zone(dns_server, monkeypatch) -> Iterator[PretendResolver]:
    """The server; a name that is never answered is given up quickly, and no record is left behind."""
    monkeypatch.setattr(domains, "DNS_SECONDS", 0.2)
    yield dns_server
    dns_server.heal()
    for key in DkimKey.select():
        dns_server.remove(key.record_name)


@pytest.fixture
def key(db, settings, now) -> DkimKey:
    """The domain's first key, waiting."""
    make_domain(now)
    return create_key(OPERATOR, DOMAIN, settings, now, algorithm="ed25519")


@pytest.fixture
def look(settings, zone):
    """Do what the job does, at a moment."""
    return lambda moment: check_keys(OPERATOR, settings, make_resolver(zone.address), moment)


@pytest.fixture
def in_use(key, zone, look, now) -> DkimKey:
    """The domain's key, shown by DNS and in use."""
    zone.add(key.record_name, "TXT", key.record)
    look(now)
    return again(key)


def again(key: DkimKey) -> DkimKey:
    return DkimKey.get_by_id(key.id)


def told(kind: str) -> int:
    return Notice.select().where(Notice.kind == kind).count()


# -- a key that waits -----------------------------------------------------------------------------


def test_a_key_that_dns_shows_comes_into_use(key, zone, look, settings, now):
    zone.add(key.record_name, "TXT", key.record)
    look(later(now, hours=1))

    assert state_of(again(key)) is State.IN_USE
    assert again(key).published_at == later(now, hours=1)
    assert [used.selector for used in keys_in_use(settings.record_secret)] == [key.selector]
    assert AuditEntry.select().order_by(AuditEntry.id.desc()).first().verb == "signing-key-in-use"


def test_a_long_key_in_several_strings_comes_into_use(db, settings, zone, look, now):
    make_domain(now)
    key = create_key(OPERATOR, DOMAIN, settings, now)
    zone.add(key.record_name, "TXT", f'"{key.record[:255]}" "{key.record[255:]}"')
    look(now)

    assert state_of(again(key)) is State.IN_USE


def test_a_key_behind_a_cname_comes_into_use(key, zone, look, now):
    zone.add(key.record_name, "CNAME", "keys.elsewhere.example.")
    zone.add("keys.elsewhere.example", "TXT", key.record)
    look(now)
    zone.remove("keys.elsewhere.example")

    assert state_of(again(key)) is State.IN_USE


def test_a_key_that_dns_does_not_show_goes_on_waiting(key, look, now):
    look(later(now, days=9))

    assert again(key) == key
    assert state_of(again(key)) is State.WAITING
    assert Notice.select().count() == 0


def test_another_record_at_its_place_does_not_count(key, zone, look, settings, now):
    other = create_key(OPERATOR, "srs.proj.example", settings, now, algorithm="ed25519")
    zone.add(key.record_name, "TXT", other.record)
    look(now)

    assert state_of(again(key)) is State.WAITING


@pytest.mark.parametrize("trouble", ALL_TROUBLES)
def test_dns_in_trouble_leaves_a_key_waiting(key, zone, look, now, trouble):
    zone.add(key.record_name, "TXT", key.record)
    zone.trouble(key.record_name, trouble)
    look(now)

    assert state_of(again(key)) is State.WAITING


def test_a_key_that_our_secret_does_not_open_never_replaces_one(in_use, zone, look, settings, now):
    new = rotate_key(OPERATOR, DOMAIN, settings, now)
    zone.add(new.record_name, "TXT", new.record)
    DkimKey.update(sealed=b"x" * 100).where(DkimKey.id == new.id).execute()
    look(now)

    assert state_of(again(new)) is State.WAITING
    assert state_of(again(in_use)) is State.IN_USE


def test_two_looks_at_once_are_one(key, zone, look, now):
    zone.add(key.record_name, "TXT", key.record)
    assert at_once(*[lambda: look(now)] * 4) == [None] * 4

    assert told("signing-key-in-use") == 1
    assert AuditEntry.select().where(AuditEntry.verb == "signing-key-in-use").count() == 1
    assert first_fault() is None


def test_no_transaction_is_open_while_dns_is_asked(key, zone, look, now, monkeypatch):
    seen = []
    real = key_watch.look_up_texts

    def watched(resolver, name):
        seen.append(database.in_transaction())
        return real(resolver, name)

    monkeypatch.setattr(key_watch, "look_up_texts", watched)
    zone.add(key.record_name, "TXT", key.record)
    look(now)
    look(now)

    assert seen == [False, False]


def test_ops_are_told_of_the_new_key_and_of_the_old_record(in_use, zone, look, settings, now):
    new = rotate_key(OPERATOR, DOMAIN, settings, now)
    zone.add(new.record_name, "TXT", new.record)
    look(now)
    first, second = [write_letter(row, settings, now) for row in Notice.select().order_by(Notice.id)]

    assert first.to == second.to == settings.ops_address
    assert in_use.record_name in first.message.decode()
    assert "Keep its record" not in first.message.decode()
    words = second.message.decode()
    assert words.index(new.record_name) < words.index("2026-12-26") < words.index(in_use.record_name)


# -- a key in use ---------------------------------------------------------------------------------


def test_a_key_that_is_still_shown_stays_as_it_is(in_use, look, now):
    look(later(now, days=9))

    assert again(in_use).missing_since is None
    assert told("signing-key-missing") == 0


def test_one_look_that_does_not_find_it_says_nothing(in_use, zone, look, now):
    zone.remove(in_use.record_name)
    look(now)
    look(later(now, minutes=50))

    assert again(in_use).missing_since == now
    assert told("signing-key-missing") == 0


@pytest.mark.parametrize("instead", [None, "v=DKIM1; p=", "v=spf1 -all"])
def test_two_looks_an_hour_apart_tell_ops_once_a_day(in_use, zone, look, settings, now, instead):
    zone.remove(in_use.record_name)
    if instead:
        zone.add(in_use.record_name, "TXT", instead)
    for hours in (0, 1, 2, 11):
        look(later(now, hours=hours))
    assert told("signing-key-missing") == 1
    look(later(now, hours=25))

    assert told("signing-key-missing") == 2
    assert again(in_use).missing_since == now
    letter = write_letter(Notice.get(Notice.kind == "signing-key-missing"), settings, now)
    assert letter.to == settings.ops_address
    assert in_use.record_name in letter.message.decode()
    assert [used.selector for used in keys_in_use(settings.record_secret)] == [in_use.selector]


def test_a_name_without_txt_records_is_missing_too(in_use, zone, look, now):
    zone.remove(in_use.record_name)
    zone.add(in_use.record_name, "A", "192.0.2.1")
    look(now)

    assert again(in_use).missing_since == now


def test_a_record_that_comes_back_ends_it(in_use, zone, look, settings, now):
    zone.remove(in_use.record_name)
    look(now)
    look(later(now, hours=1))
    zone.add(in_use.record_name, "TXT", in_use.record)
    look(later(now, hours=2))

    assert again(in_use).missing_since is None
    notice = Notice.get(Notice.kind == "signing-key-missing")
    assert write_letter(notice, settings, now) is None, "a mail that has not gone yet does not go"
    zone.remove(in_use.record_name)
    look(later(now, hours=26))
    assert told("signing-key-missing") == 1, "it begins anew"


@pytest.mark.parametrize("trouble", ALL_TROUBLES)
def test_dns_in_trouble_says_nothing_of_a_key_in_use(in_use, zone, look, now, trouble):
    zone.remove(in_use.record_name)
    zone.trouble(in_use.record_name, trouble)
    for hours in (0, 2, 30):
        look(later(now, hours=hours))

    assert again(in_use) == in_use
    assert again(in_use).missing_since is None
    assert told("signing-key-missing") == 0


def test_trouble_between_two_looks_does_not_hide_that_it_is_gone(in_use, zone, look, now):
    zone.remove(in_use.record_name)
    look(now)
    zone.trouble(in_use.record_name, Trouble.SERVFAIL)
    look(later(now, minutes=30))
    assert again(in_use).missing_since == now
    zone.heal()
    look(later(now, hours=1))

    assert told("signing-key-missing") == 1


def test_several_looks_at_once_tell_ops_once(in_use, zone, look, now):
    zone.remove(in_use.record_name)
    look(now)
    assert at_once(*[lambda: look(later(now, hours=1))] * 4) == [None] * 4

    assert told("signing-key-missing") == 1


def test_a_name_that_is_not_ours_any_more_is_not_watched(db, settings, zone, look, now):
    make_domain(now, "gone.example")
    key = create_key(OPERATOR, "gone.example", settings, now, algorithm="ed25519")
    zone.add(key.record_name, "TXT", key.record)
    look(now)
    Domain.update(removed_at=now).execute()
    zone.remove(key.record_name)
    look(later(now, hours=1))
    look(later(now, hours=3))

    assert told("signing-key-missing") == 0


# -- the whole way --------------------------------------------------------------------------------


def test_a_key_from_its_making_to_its_end(key, zone, look, settings, now):
    def signing() -> list[str]:
        return [used.selector for used in keys_in_use(settings.record_secret)]

    look(now)
    assert signing() == []
    zone.add(key.record_name, "TXT", key.record)
    look(later(now, minutes=10))
    assert signing() == [key.selector]

    new = rotate_key(OPERATOR, DOMAIN, settings, later(now, days=90))
    look(later(now, days=90, minutes=10))
    assert signing() == [key.selector], "the old one signs until DNS shows the new one"
    zone.add(new.record_name, "TXT", new.record)
    look(later(now, days=91))
    assert signing() == [new.selector]

    zone.remove(key.record_name)
    for days in (92, 93):
        look(later(now, days=days))
        sweep(later(now, days=days))
    assert told("signing-key-missing") == 0, "a retired key is missed by nobody"
    assert again(key).sealed is None
    assert signing() == [new.selector]
    verbs = [row.verb for row in AuditEntry.select().order_by(AuditEntry.id) if "signing" in row.verb]
    assert verbs == [
        "signing-key-made",
        "signing-key-in-use",
        "signing-key-made",
        "signing-key-in-use",
        "signing-key-retired",
        "signing-key-erased",
    ]
    assert first_fault() is None
