"""core.signing_keys; how DNS decides over the keys is tried in test_key_watch"""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from peewee import DatabaseError

from core import signing_keys
from core.audit import OPERATOR, first_fault
from core.database import database, sqlite_path, write
from core.models import AuditEntry, AuditValue, DkimKey, Domain, Notice
from core.settings import Settings
from core.signing_keys import (
    ERASE_AFTER,
    KEEP_RECORD,
    KeyRefused,
    KeyWaits,
    State,
    create_key,
    erase_retired,
    is_shown,
    keys_in_use,
    open_key,
    put_in_use,
    record_needed_until,
    rotate_key,
    state_of,
    withdraw_key,
)
from core.sweep import sweep
from mailauth.keys import SigningKey, read_record
from tests.support.arrange import DOMAIN, later, make_domain
from tests.support.threads import at_once

DIGEST = hashlib.sha256(b"a message").digest()
OTHER = "other.example"


@pytest.fixture(autouse=True)
def domains(db, now, monkeypatch) -> None:
    """Two domains of ours, in a process that has logged nothing yet."""
    monkeypatch.setattr(signing_keys, "_unreadable", set())
    make_domain(now)
    make_domain(now, OTHER)


@pytest.fixture
def create(settings, now):
    return lambda name=DOMAIN, **options: create_key(
        OPERATOR, name, settings, now, **{"algorithm": "ed25519"} | options
    )


@pytest.fixture
def rotate(settings, now):
    return lambda name=DOMAIN, moment=now, **options: rotate_key(OPERATOR, name, settings, moment, **options)


@pytest.fixture
def in_use(create, now) -> DkimKey:
    """The key of the domain, in use."""
    return published(create(), now)


def published(key: DkimKey, now: datetime) -> DkimKey:
    put_in_use(OPERATOR, key, now)
    return DkimKey.get_by_id(key.id)


def verbs() -> list[str]:
    rows = AuditEntry.select().where(AuditEntry.verb.startswith("signing-key")).order_by(AuditEntry.id)
    return [row.verb for row in rows]


def signs_what_dns_shows(key: SigningKey, record: str) -> bool:
    return read_record(record.encode()).verifies(key.sign(DIGEST), DIGEST)


# -- making ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "bits"), [("rsa", 2048), ("ed25519", 256)])
def test_a_new_key_waits_with_its_public_half_at_hand(create, settings, now, algorithm, bits):
    key = create(algorithm=algorithm)

    assert state_of(key) is State.WAITING
    assert key.algorithm == algorithm
    assert read_record(key.record.encode()).bits == bits
    assert signs_what_dns_shows(open_key(key, settings.record_secret), key.record)
    assert key.record_name == "wp20261126._domainkey.proj.example"
    assert keys_in_use(settings.record_secret) == []
    assert verbs() == ["signing-key-made"]


def test_a_key_is_rsa_unless_told_otherwise(settings, now):
    assert create_key(OPERATOR, DOMAIN, settings, now).algorithm == "rsa"


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        (OTHER, OTHER),
        ("Other.EXAMPLE.", OTHER),
        ("srs.proj.example", "srs.proj.example"),
        ("proj.example", "proj.example"),
        ("mx.proj.example", "mx.proj.example"),
    ],
)
def test_every_name_that_our_mail_bears_can_have_a_key(create, name, domain):
    assert create(name).domain == domain


def test_the_domain_of_mail_from_needs_not_be_served_here(create):
    Domain.update(removed_at=Domain.added_at).execute()

    assert create("proj.example").domain == "proj.example"


@pytest.mark.parametrize(
    "name",
    ["elsewhere.example", "sub.proj.example", "example", "", "a b", "\x00", "192.0.2.1", "x" * 5000],
)
def test_any_other_name_gets_no_key(create, name):
    with pytest.raises(KeyRefused):
        create(name)
    assert DkimKey.select().count() == 0


def test_a_removed_domain_gets_no_key(create, now):
    Domain.update(removed_at=now).where(Domain.name == OTHER).execute()

    with pytest.raises(KeyRefused, match=r"none of Waypost's domains"):
        create(OTHER)


@pytest.mark.parametrize("publish", [False, True])
def test_a_second_first_key_is_refused_with_what_to_do(create, now, publish):
    key = create()
    if publish:
        published(key, now)

    with pytest.raises(KeyRefused, match=r"waypost keys rotate proj\.example"):
        create()
    assert DkimKey.select().count() == 1


def test_of_several_who_create_at_once_one_does(create):
    results = at_once(*[create] * 4)

    assert sorted(type(result).__name__ for result in results) == ["DkimKey"] + ["KeyRefused"] * 3
    assert verbs() == ["signing-key-made"]


def test_a_selector_of_ones_own_is_kept_in_lower_case(create):
    assert create(selector="Mail-2026").selector == "mail-2026"


@pytest.mark.parametrize("selector", ["a b", "a.b", "-a", "a-", "_a", "ä", "a" * 64, "a\n", 'a"', "a;"])
def test_what_is_no_selector_is_refused(create, selector):
    with pytest.raises(KeyRefused, match="letters, digits and hyphens"):
        create(selector=selector)
    assert DkimKey.select().count() == 0


def test_a_record_name_longer_than_dns_takes_is_refused(create, now):
    name = ".".join(["x" * 60] * 3 + ["proj.example"])
    make_domain(now, name)

    with pytest.raises(KeyRefused, match="too long"):
        create(name, selector="s" * 63)


def test_selectors_of_one_day_differ(create, rotate, now):
    published(create(), now)
    second = rotate()
    published(second, now)

    assert [second.selector, rotate().selector] == ["wp20261126-2", "wp20261126-3"]


def test_a_selector_is_used_once_a_domain(create, rotate, now):
    published(create(selector="one"), now)

    with pytest.raises(KeyRefused, match="used once"):
        rotate(selector="ONE")
    assert create(OTHER, selector="one").selector == "one"


# -- rotating and withdrawing ---------------------------------------------------------------------


def test_rotating_needs_a_key_to_follow(rotate):
    with pytest.raises(KeyRefused, match=r"waypost keys create proj\.example"):
        rotate()


def test_the_next_key_waits_while_the_present_one_signs(in_use, rotate, settings, now):
    new = rotate(moment=later(now, days=1))

    assert state_of(new) is State.WAITING
    assert [key.selector for key in keys_in_use(settings.record_secret)] == [in_use.selector]


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa"])
def test_the_next_key_is_like_the_present_one(create, rotate, now, algorithm):
    published(create(algorithm=algorithm), now)

    assert rotate().algorithm == algorithm


def test_the_next_key_may_be_of_another_kind(in_use, rotate):
    assert rotate(algorithm="rsa").algorithm == "rsa"


def test_while_one_waits_there_is_no_other(create, rotate, now):
    first = create()
    with pytest.raises(KeyWaits) as refused:
        rotate()
    assert refused.value.key == first

    published(first, now)
    second = rotate()
    with pytest.raises(KeyWaits) as refused:
        rotate()
    assert refused.value.key == second


def test_of_several_who_rotate_at_once_one_does(in_use, rotate):
    results = at_once(*[rotate] * 4)

    assert sorted(type(result).__name__ for result in results) == ["DkimKey"] + ["KeyWaits"] * 3
    assert DkimKey.select().count() == 2


def test_a_key_that_waits_can_be_withdrawn_and_made_anew(in_use, rotate, settings, now):
    rotate()
    withdraw_key(OPERATOR, DOMAIN, settings, now)

    assert [row.id for row in DkimKey.select()] == [in_use.id]
    assert verbs()[-1] == "signing-key-withdrawn"
    assert rotate(algorithm="rsa").algorithm == "rsa"


def test_a_key_in_use_cannot_be_withdrawn(in_use, settings, now):
    with pytest.raises(KeyRefused, match="waits"):
        withdraw_key(OPERATOR, DOMAIN, settings, now)
    assert DkimKey.select().count() == 1


# -- in use ---------------------------------------------------------------------------------------


def test_a_published_key_signs(create, settings, now):
    keys = {name: published(create(name), now) for name in (DOMAIN, OTHER)}

    found = keys_in_use(settings.record_secret)
    assert {key.domain: key.selector for key in found} == {name: row.selector for name, row in keys.items()}
    assert all(signs_what_dns_shows(key, keys[key.domain].record) for key in found)


def test_the_next_key_replaces_the_present_one(in_use, create, rotate, settings, now):
    other = published(create(OTHER), now)
    new = published(rotate(), later(now, days=1))

    old = DkimKey.get_by_id(in_use.id)
    assert (state_of(new), state_of(old)) == (State.IN_USE, State.RETIRED)
    assert (new.published_at, old.retired_at) == (later(now, days=1),) * 2
    assert {key.selector for key in keys_in_use(settings.record_secret)} == {new.selector, other.selector}
    assert {key.domain for key in keys_in_use(settings.record_secret)} == {DOMAIN, OTHER}
    assert record_needed_until(old) == old.retired_at + KEEP_RECORD
    assert verbs()[-2:] == ["signing-key-in-use", "signing-key-retired"]
    assert first_fault() is None


def test_a_key_comes_into_use_once(in_use, rotate, now):
    new = rotate()
    assert at_once(*[lambda: put_in_use(OPERATOR, new, later(now, days=1))] * 4) == [None] * 4
    put_in_use(OPERATOR, new, later(now, days=2))

    assert DkimKey.get_by_id(new.id).published_at == later(now, days=1)
    assert verbs().count("signing-key-in-use") == 2
    assert verbs().count("signing-key-retired") == 1
    assert Notice.select().where(Notice.kind == "signing-key-in-use").count() == 2


def test_a_retired_key_does_not_come_back(in_use, rotate, now):
    published(rotate(), now)
    put_in_use(OPERATOR, in_use, later(now, days=1))

    assert state_of(DkimKey.get_by_id(in_use.id)) is State.RETIRED


def test_a_key_withdrawn_meanwhile_does_not_come_into_use(create, settings, now):
    key = create()
    withdraw_key(OPERATOR, DOMAIN, settings, now)
    put_in_use(OPERATOR, key, now)

    assert DkimKey.select().count() == 0
    assert Notice.select().count() == 0


def test_the_keys_are_read_on_a_connection_of_their_own(in_use, db, settings):
    db.close()

    assert len(keys_in_use(settings.record_secret)) == 1
    assert db.is_closed()


def test_trouble_of_the_database_is_raised_as_such(in_use, settings):
    with write():
        database.execute_sql("ALTER TABLE dkim_key RENAME TO away")
    try:
        with pytest.raises(DatabaseError):
            keys_in_use(settings.record_secret)
    finally:
        if database.in_transaction():
            database.rollback()
        with write():
            database.execute_sql("ALTER TABLE away RENAME TO dkim_key")


# -- sealed ---------------------------------------------------------------------------------------


def is_left_out(settings: Settings) -> bool:
    """Whether the domain's key is left out and said so once, and the other domain's key still works."""
    with structlog.testing.capture_logs() as logs:
        found = [keys_in_use(settings.record_secret) for _ in range(3)]
    said = [(line["log_level"], line["domain"], line["selector"]) for line in logs]
    return [[key.domain for key in keys] for keys in found] == [[OTHER]] * 3 and said == [
        ("warning", DOMAIN, "wp20261126")
    ]


def test_another_secret_opens_nothing(in_use, settings):
    with structlog.testing.capture_logs() as logs:
        assert keys_in_use("x" * 32) == []
        assert keys_in_use("x" * 32) == []

    assert len(logs) == 1
    assert len(keys_in_use(settings.record_secret)) == 1


@pytest.mark.parametrize("place", [0, 11, 12, 40, -17, -1])
def test_a_changed_octet_is_noticed(in_use, create, settings, now, place):
    published(create(OTHER), now)
    sealed = bytearray(bytes(in_use.sealed))
    sealed[place] ^= 1
    DkimKey.update(sealed=bytes(sealed)).where(DkimKey.id == in_use.id).execute()

    assert is_left_out(settings)


@pytest.mark.parametrize("length", [0, 1, 12, 27, 28, -1])
def test_a_shortened_key_is_noticed(in_use, create, settings, now, length):
    published(create(OTHER), now)
    DkimKey.update(sealed=bytes(in_use.sealed)[:length]).where(DkimKey.id == in_use.id).execute()

    assert is_left_out(settings)


def test_a_key_cannot_stand_in_for_another_domains(in_use, create, settings, now):
    other = published(create(OTHER), now)
    DkimKey.update(sealed=bytes(other.sealed)).where(DkimKey.id == in_use.id).execute()

    assert is_left_out(settings)


def test_swapped_keys_do_not_open(in_use, create, settings, now):
    other = published(create(OTHER), now)
    for row, source in ((in_use, other), (other, in_use)):
        DkimKey.update(sealed=bytes(source.sealed)).where(DkimKey.id == row.id).execute()

    assert keys_in_use(settings.record_secret) == []


def test_a_key_cannot_stand_in_for_another_selector(in_use, rotate, create, settings, now):
    published(create(OTHER), now)
    new = rotate()
    DkimKey.update(sealed=bytes(new.sealed)).where(DkimKey.id == in_use.id).execute()

    assert is_left_out(settings)


def test_the_same_key_sealed_twice_looks_different(create, settings):
    key = create()
    again = signing_keys._seal(open_key(key, settings.record_secret), settings.record_secret)

    assert again != bytes(key.sealed)
    assert again[:12] != bytes(key.sealed)[:12]


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_the_private_half_stands_nowhere_in_the_open(create, rotate, settings, now, capfd, algorithm):
    with structlog.testing.capture_logs() as logs:
        key = published(create(algorithm=algorithm), now)
        pem = open_key(key, settings.record_secret).to_pem()
        published(rotate(), now)
        keys_in_use("x" * 32)
    tables = [list(table.select().tuples()) for table in (DkimKey, Notice, AuditEntry, AuditValue)]
    written = repr((tables, logs, capfd.readouterr())).encode()
    written += b"".join(bytes(row.sealed) for row in DkimKey.select())
    if settings.database_url.startswith("sqlite"):
        path = sqlite_path(settings.database_url)
        written += Path(path).read_bytes() + Path(f"{path}-wal").read_bytes()

    assert key.record.encode() in written, "the search finds what is there"
    assert b"PRIVATE KEY" not in written
    assert secret_number(pem) not in written
    assert pem.splitlines()[-2] not in written


def secret_number(pem: bytes) -> bytes:
    """A number that makes the key private: a prime, or the seed."""
    key = load_pem_private_key(pem, None)
    if isinstance(key, RSAPrivateKey):
        return key.private_numbers().p.to_bytes(128, "big")
    return key.private_bytes_raw()


# -- shown by DNS ---------------------------------------------------------------------------------


@pytest.fixture
def material(in_use) -> str:
    return in_use.record.partition("p=")[2]


@pytest.mark.parametrize(
    "form",
    [
        "v=DKIM1; k=ed25519; p={}",
        "k=ed25519;p={}",
        "v=DKIM1;h=sha256;k=ed25519;s=email;n=note;p={};",
        "v=DKIM1; t=y:s; k=ed25519; p={}",
    ],
)
def test_a_record_counts_however_it_is_written(in_use, material, form):
    shown = form.format(material).encode()

    assert is_shown(in_use, [shown])
    assert is_shown(in_use, [b"v=spf1 -all", b"\xff", shown])


@pytest.mark.parametrize(
    "form",
    [
        "v=DKIM1; k=rsa; p={}",
        "v=DKIM1; p={}",
        "v=DKIM2; k=ed25519; p={}",
        "v=DKIM1; k=ed25519; p=",
        "v=DKIM1; k=ed25519; s=tlsrpt; p={}",
        "v=DKIM1; k=ed25519; h=sha1; p={}",
        "v=DKIM1; k=ed25519; p={}A",
        "",
    ],
)
def test_a_record_that_no_verifier_would_use_does_not_count(in_use, material, form):
    assert not is_shown(in_use, [form.format(material).encode()])


def test_the_record_of_another_key_does_not_count(in_use, create):
    assert not is_shown(in_use, [create(OTHER).record.encode()])
    assert not is_shown(in_use, [])


# -- erased ---------------------------------------------------------------------------------------


@pytest.fixture
def retired(in_use, rotate, now) -> DkimKey:
    """The older of two keys."""
    published(rotate(), now)
    return DkimKey.get_by_id(in_use.id)


def test_a_retired_private_half_is_kept_for_a_day(retired, settings, now):
    sweep(later(now, hours=23))

    assert open_key(DkimKey.get_by_id(retired.id), settings.record_secret) is not None
    assert "signing-key-erased" not in verbs()


def test_after_a_day_only_its_record_is_left(retired, settings, now):
    sweep(now + ERASE_AFTER)

    row = DkimKey.get_by_id(retired.id)
    assert row.sealed is None
    assert open_key(row, settings.record_secret) is None
    assert row.record == retired.record
    assert verbs()[-1] == "signing-key-erased"
    assert AuditEntry.select().order_by(AuditEntry.id.desc()).first().actor == "job:sweep"
    assert len(keys_in_use(settings.record_secret)) == 1
    assert first_fault() is None


def test_erasing_happens_once(retired, now):
    moment = later(now, days=2)
    assert at_once(*[lambda: erase_retired(OPERATOR, moment)] * 4) == [None] * 4
    sweep(later(now, days=3))

    assert verbs().count("signing-key-erased") == 1


def test_keys_that_wait_or_sign_are_never_erased(in_use, rotate, now):
    rotate()
    sweep(later(now, days=4000))

    assert all(row.sealed is not None for row in DkimKey.select())
