"""core.import_rules and core.imports"""

import pytest

from core import imports
from core.account import erase
from core.addresses import parse_address
from core.alias_table import open_alias_table
from core.audit import OPERATOR, first_fault
from core.database import write
from core.import_file import Line, read_file
from core.import_rules import SENTENCES, Fate, judge
from core.imports import carry_out
from core.models import Alias, AliasRecipient, AuditEntry, Domain, Recipient, Reservation, ReservedName
from core.recipients import MAX_RECIPIENTS
from core.reservations import NameState
from core.routing import Fate as MailFate
from core.routing import route
from tests.support.arrange import later, make_alias, make_domain, make_kept, make_member
from tests.support.killed import Killed, kill_at
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def bring(domain, now):
    """Judge and carry out a text; return the fates."""

    def bring(text: str, moment=now):
        verdicts = judge(read_file(text.encode()))
        return carry_out(OPERATOR, verdicts, moment, moment)

    return bring


def fate_of(address: str, recipients: str = "ada@home.example.net", name: str = "ada") -> Fate:
    return judge([Line(1, address, tuple(recipients.split()), name)])[0].fate


# -- judging --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "fate"),
    [
        ("ada@proj.example", Fate.NEW),
        ("ADA@Proj.Example.", Fate.NEW),
        ("first_last@proj.example", Fate.NEW),
        ("ada", Fate.BAD_ADDRESS),
        ("ada@", Fate.BAD_ADDRESS),
        ("a\u200bda@proj.example", Fate.BAD_ADDRESS),
        ("a" * 65 + "@proj.example", Fate.BAD_ADDRESS),
        ("ada@other.example", Fate.NOT_OURS),
        ("ada@sub.proj.example", Fate.NOT_OURS),
        ("ada+list@proj.example", Fate.BAD_LOCAL_PART),
        ('"a b"@proj.example', Fate.BAD_LOCAL_PART),
        ("jürgen@proj.example", Fate.BAD_LOCAL_PART),
        ("postmaster@proj.example", Fate.KEPT_BACK),
        ("Security@proj.example", Fate.KEPT_BACK),
        ("srs0=x=y=z=w@proj.example", Fate.KEPT_BACK),
    ],
)
def test_each_address_has_its_fate(domain, address, fate):
    assert fate_of(address) in {fate, Fate.BAD_LOCAL_PART if address.startswith("srs0") else fate}


@pytest.mark.parametrize(
    ("recipients", "fate"),
    [
        ("", Fate.NO_RECIPIENT),
        ("nonsense", Fate.BAD_RECIPIENT),
        ("ada@home.example.net a..b@home.example.net", Fate.BAD_RECIPIENT),
        ("ada@[192.0.2.1]", Fate.BAD_RECIPIENT),
        ("ada@proj.example", Fate.LOOP),
        ("bob@proj.example", Fate.LOOP),
        ("ada@home.example.net Ada+x@PROJ.example.", Fate.LOOP),
        ("ada@second.example", Fate.LOOP),
        (" ".join(f"a{i}@home.example.net" for i in range(MAX_RECIPIENTS + 1)), Fate.TOO_MANY),
        (" ".join(f"a{i}@home.example.net" for i in range(MAX_RECIPIENTS)), Fate.NEW),
        (" ".join(["ada@home.example.net"] * 50), Fate.NEW),
    ],
)
def test_each_list_of_recipients_has_its_fate(domain, now, recipients, fate):
    make_domain(now, "second.example")
    assert fate_of("ada@proj.example", recipients) is fate


@pytest.mark.parametrize("name", ["a", "ada!", "ada lovelace", "x" * 101, "../people"])
def test_what_can_be_no_launchpad_name_is_refused(domain, name):
    assert fate_of("ada@proj.example", name=name) is Fate.BAD_NAME


def test_names_that_admins_keep_back_are_refused(domain, now):
    make_domain(now, "second.example")
    with write():
        ReservedName.create(domain=domain, local_part="cabinet")
        ReservedName.create(domain=None, local_part="council")

    assert fate_of("cabinet@proj.example") is Fate.KEPT_BACK
    assert fate_of("cabinet@second.example") is Fate.NEW
    assert fate_of("council@second.example") is Fate.KEPT_BACK


def test_the_first_usable_line_of_an_address_counts(domain):
    lines = read_file(
        b"ada@proj.example,nonsense,ada\nada@proj.example,a@x.example,ada\n"
        b"ADA@proj.example,evil@x.example,eve\n"
    )
    assert [(one.fate, one.detail) for one in judge(lines)][1:] == [(Fate.NEW, ""), (Fate.TWICE, "2")]


def test_names_of_others_are_taken(domain, settings, now):
    bob = make_member(now, "bob")
    make_alias(bob, domain, now, "bob")
    eve = make_member(now, "eve")
    make_alias(eve, domain, now, "eve")
    erase(eve.id, settings.record_secret, now)
    make_alias(None, domain, now, "platoon")

    assert {fate_of(f"{name}@proj.example") for name in ("bob", "eve", "platoon")} == {Fate.TAKEN}


def test_every_fate_has_a_sentence(domain):
    assert set(SENTENCES) == set(Fate)
    assert all(judge([Line(1, "x@y.example")])[0].words for _ in [0])


# -- bringing in ----------------------------------------------------------------------------------


def test_an_imported_address_is_kept_and_its_mail_flows_at_once(bring, domain, settings, now):
    done = bring("Ada@proj.example,ada@home.example.net;ada@work.example.net,~Ada\n")

    assert [one.fate for one in done] == [Fate.RESERVED]
    alias = Alias.get()
    assert (alias.local_part, alias.person_id, alias.by_self_service) == ("ada", None, True)
    row = Reservation.get()
    assert (row.alias_id, row.launchpad_name, row.state) == (alias.id, "ada", NameState.ASKING)
    found = route(
        open_alias_table(settings.database_url), parse_address("ada@proj.example"), settings.ops_address, now
    )
    assert found.fate is MailFate.DELIVER
    assert found.recipients == ("ada@home.example.net", "ada@work.example.net")
    entry = AuditEntry.get(AuditEntry.verb == "alias-imported")
    assert entry.actor == "operator"
    assert first_fault() is None


def test_a_line_without_a_name_is_kept_for_an_admin_to_decide(bring):
    bring("ada@proj.example,ada@home.example.net\n")

    assert Reservation.get().state == NameState.NO_NAME
    assert not Alias.get().by_self_service


def test_twice_is_once_and_the_report_is_the_same(bring, now):
    text = "ada@proj.example,a@x.example,ada\nbob@proj.example,nonsense,bob\n"
    first = bring(text)
    entries = AuditEntry.select().count()

    again = bring(text, later(now, days=1))

    assert [(one.number, one.fate, one.words) for one in again] == [
        (one.number, one.fate, one.words) for one in first
    ]
    assert (Alias.select().count(), Recipient.select().count()) == (1, 1)
    assert AuditEntry.select().count() == entries


def test_a_list_that_says_something_else_changes_nothing(bring):
    bring("ada@proj.example,a@x.example,ada\n")

    assert [one.fate for one in bring("ada@proj.example,evil@x.example,ada\n")] == [Fate.DIFFERS]
    assert [one.fate for one in bring("ada@proj.example,a@x.example,eve\n")] == [Fate.DIFFERS]
    assert [one.fate for one in bring("ada@proj.example,a@x.example b@x.example,ada\n")] == [Fate.DIFFERS]
    assert Recipient.get().address == "a@x.example"
    assert Reservation.get().launchpad_name == "ada"


def test_one_that_is_killed_in_the_middle_can_be_repeated(domain, now, monkeypatch):
    """Whatever it had not finished of a transaction is not there; the rest is made by the next run."""
    monkeypatch.setattr(imports, "CHUNK", 3)
    text = "".join(f"p{i}@proj.example,p{i}@x.example;q{i}@x.example,p{i}\n" for i in range(8))
    verdicts = judge(read_file(text.encode()))
    kill_at(monkeypatch, imports, "record", 5)
    with pytest.raises(Killed):
        carry_out(OPERATOR, verdicts, now, now)
    assert Alias.select().count() == 3
    assert AliasRecipient.select().count() == 6

    done = carry_out(OPERATOR, judge(read_file(text.encode())), now, now)

    assert {one.fate for one in done} == {Fate.RESERVED}
    assert (Alias.select().count(), Recipient.select().count()) == (8, 16)
    assert AuditEntry.select().where(AuditEntry.verb == "alias-imported").count() == 8


def test_two_at_once_make_each_address_once(domain, now):
    verdicts = judge(read_file(b"".join(b"p%d@proj.example,p@x.example,p%d\n" % (i, i) for i in range(30))))

    results = at_once(*[lambda: carry_out(OPERATOR, verdicts, now, now)] * 2)

    assert {one.fate for done in results for one in done} == {Fate.RESERVED}
    assert Alias.select().count() == Recipient.select().count() == 30


def test_names_are_taken_in_one_order_whatever_the_list_has(bring):
    """So two imports of the same names wait for each other, and not in a circle."""
    bring("".join(f"{name}@proj.example,p@x.example,{name}\n" for name in ("cid", "ada", "bea")))

    assert [alias.local_part for alias in Alias.select().order_by(Alias.id)] == ["ada", "bea", "cid"]


def test_a_domain_that_was_removed_meanwhile_gets_none(domain, now):
    verdicts = judge([Line(1, "ada@proj.example", ("a@x.example",), "ada")])
    Domain.update(removed_at=now).execute()

    assert [one.fate for one in carry_out(OPERATOR, verdicts, now, now)] == [Fate.NOT_OURS]
    assert not Alias.select().exists()


def test_what_is_kept_by_hand_is_found_as_it_is(domain, now):
    make_kept(domain, now, "ada", "ada", "a@x.example", "b@x.example")

    assert fate_of("ada@proj.example", "a@x.example b@x.example") is Fate.RESERVED
    assert fate_of("ada@proj.example", "b@x.example a@x.example") is Fate.DIFFERS
