"""core.account"""

import contextlib
import json

import pytest

from core.account import choose_language, choose_notices, erase
from core.addresses import parse_address
from core.alias_table import open_alias_table
from core.aliases import ClaimProblem, ClaimRefused, claim
from core.audit import OPERATOR, first_fault
from core.database import write
from core.models import (
    Alias,
    AliasOwner,
    AuditEntry,
    AuditValue,
    Domain,
    ErasedOwner,
    Identity,
    Notice,
    Person,
    Recipient,
    RoleGrant,
    Session,
)
from core.overview import overview_of
from core.ownership import NotYours
from core.people import SignIn, ban, sign_in
from core.preferences import Topic
from core.roles import Role, grant
from core.routing import Entitlement, Fate, Hold, Switch, route
from core.sessions import find_session, open_session
from core.sync import sync_person
from tests.support.arrange import (
    ISSUER,
    UNKNOWN,
    account,
    claimed_id,
    entitle,
    later,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
    reading,
)
from tests.support.threads import at_once
from tests.support.traces import leave_traces, traces_of


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def treasure(domain, settings, now) -> Person:
    """Somebody who has left traces wherever one can."""
    return leave_traces(domain, settings.record_secret, now)


@pytest.fixture
def ada(domain, settings, now) -> Person:
    """An ordinary member with ada@proj.example."""
    person = make_member(now)
    claim(person.id, domain, None, settings.record_secret, now)
    return person


@pytest.fixture
def leave(settings, now):
    """Delete somebody's account."""
    return lambda person, moment=now: erase(person.id, settings.record_secret, moment)


@pytest.fixture
def fate(settings):
    table = open_alias_table(settings.database_url)
    return lambda address, moment: route(table, parse_address(address), settings.ops_address, moment).fate


# -- what goes and what stays ---------------------------------------------------------------------


def test_nothing_is_left_but_the_names_and_what_was_never_theirs(treasure, leave):
    assert len({table for table, _, _ in traces_of()}) >= 8  # else this test proves nothing

    assert leave(treasure)

    left = [trace for trace in traces_of() if trace[:2] != ("notice", "address")]
    assert left == [
        ("alias", "local_part", "treasure"),
        ("alias", "local_part", "treasure.two"),
        ("alias", "reserved_subject", claimed_id("treasure")),
        ("reservation", "launchpad_name", "treasure"),
        ("team_reading", "names", '["other", "treasure"]'),
    ]


def test_of_a_name_the_bare_row_and_the_hashes_stay(domain, ada, leave, now):
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=ada, added_at=now)
    before = Alias.get(local_part="ada")
    leave(ada, later(now, days=3))

    bare = Alias.get(local_part="ada")
    values = {name: value for name, value in bare.__data__.items() if value}
    assert bare.id != before.id
    assert values == {
        "id": bare.id, "domain": domain.id, "local_part": "ada", "by_self_service": True,
        "entitlement": "entitled", "switch": "given-up", "hold": "none", "delivery_order": "all",
        "switched_at": later(now, days=3), "created_at": later(now, days=3),
    }  # fmt: skip
    assert len({row.owner for row in ErasedOwner.select()}) == 2
    assert all(len(row.owner) == 64 for row in ErasedOwner.select())


def test_the_record_stays_whole_and_says_who_left_by_number_only(treasure, leave):
    entries = AuditEntry.select().count()
    leave(treasure)

    assert first_fault() is None
    assert AuditEntry.select().count() > entries
    last = AuditEntry.select().order_by(AuditEntry.id.desc()).get()
    assert (last.actor, last.verb) == (f"person:{treasure.id}", "person-erased")
    assert json.loads(last.subject_ids) == {"person": treasure.id}
    kept = [json.loads(row.values) for row in AuditValue.select()]
    assert {"name": "proj.example"} in kept  # entries that speak of nobody keep their values


def test_mail_to_the_names_is_refused_for_good(ada, leave, fate, now):
    assert fate("ada@proj.example", now) is Fate.DELIVER
    leave(ada)

    assert fate("ada@proj.example", now) is Fate.ENDED
    assert fate("ada+list@proj.example", later(now, days=1000)) is Fate.ENDED


def test_sessions_end_at_once(ada, leave, now):
    with write():
        token = open_session(ada, now)
    leave(ada)

    assert find_session(token, now) is None
    assert not Session.select().exists()


def test_an_imported_mailbox_goes_unless_another_address_uses_it(domain, ada, leave, now):
    mine = make_recipient(None, now, "mine@old.example.net")
    shared = make_recipient(None, now, "shared@old.example.net")
    make_alias(ada, domain, now, "ada.old", recipients=[mine, shared])
    make_alias(None, domain, now, "waits", recipients=[shared])
    leave(ada)

    assert [row.address for row in Recipient.select()] == ["shared@old.example.net"]


def test_a_role_address_goes_on_for_its_other_owners(domain, ada, leave, fate, now):
    grace = make_member(now, "grace")
    both = make_alias(None, domain, now, "team", recipients=[*ada.recipients, *grace.recipients])
    mine = make_alias(None, domain, now, "lone", recipients=[ada.recipients.get()])
    for alias, person in ((both, ada), (both, grace), (mine, ada)):
        AliasOwner.create(alias=alias, person=person)
    leave(ada, later(now, days=1))

    assert fate("team@proj.example", now) is Fate.DELIVER
    assert Alias.get_by_id(both.id).unreachable_since is None
    assert Alias.get_by_id(mine.id).unreachable_since == later(now, days=1)
    assert AliasOwner.select().count() == 1


def test_an_address_that_waits_for_its_owner_waits_on(domain, leave, fate, now):
    """An import made it; that somebody with this identity was here and left takes no mail from anybody."""
    person = make_person(now, "late")
    imported = make_recipient(None, now, "late@old.example.net")
    identity = {"reserved_issuer": ISSUER, "reserved_subject": claimed_id("late")}
    make_alias(None, domain, now, "late", recipients=[imported], **identity)
    leave(person)

    assert fate("late@proj.example", now) is Fate.DELIVER
    assert Alias.get(local_part="late").reserved_subject == claimed_id("late")


def test_roles_end(ada, leave, now):
    grant(OPERATOR, ISSUER, claimed_id("ada"), Role.PROJECT_ADMIN, None, now)
    grant(OPERATOR, ISSUER, claimed_id("other"), Role.PROJECT_ADMIN, None, now)
    leave(ada)

    assert [row.subject for row in RoleGrant.select()] == [claimed_id("other")]
    assert "role-ended" in [entry.verb for entry in AuditEntry.select()]


def test_an_admins_hold_stays_on_the_name(domain, ada, leave, fate, settings, now):
    Alias.update(hold=Hold.ADMIN).execute()
    leave(ada)
    back = make_member(now)
    claim(back.id, domain, None, settings.record_secret, now)

    assert fate("ada@proj.example", now) is Fate.HELD


def test_a_hold_of_launchpad_is_about_the_account_and_goes_with_it(ada, leave):
    Alias.update(hold=Hold.LAUNCHPAD).execute()
    leave(ada)

    assert Alias.get().hold == Hold.NONE


def test_who_is_banned_cannot_shake_it_off(ada, leave, now):
    ban(OPERATOR, ada, now)

    with pytest.raises(NotYours):
        leave(ada)
    assert Person.get_by_id(ada.id).banned_at == now


# -- the last mail --------------------------------------------------------------------------------


def test_every_mailbox_that_got_mail_is_told_once(domain, ada, leave, now):
    make_recipient(ada, now, "ada.second@work.example.net")
    make_recipient(ada, now, "ada.unproven@work.example.net", proven=False)
    make_alias(ada, domain, now, "ada.old", recipients=[make_recipient(None, now, "ada@old.example.net")])
    Person.update(sign_in_email="Ada@Home.Example.Net", sign_in_email_proven=True).execute()
    Notice.delete().execute()
    leave(ada)

    assert [(row.kind, row.address) for row in Notice.select().order_by(Notice.id)] == [
        ("account-deleted", "ada@home.example.net"),
        ("account-deleted", "ada.second@work.example.net"),
        ("account-deleted", "ada@old.example.net"),
    ]
    assert not Notice.select().where(Notice.person.is_null(False) | Notice.recipient.is_null(False)).exists()


@pytest.mark.parametrize(
    ("email", "proven", "told"),
    [
        ("sso@sso.example.net", True, True),
        ("sso@sso.example.net", False, False),
        ("ada@proj.example", True, False),
        (None, False, False),
    ],
)
def test_the_sign_in_address_is_told_when_it_is_proven_and_no_alias(ada, leave, email, proven, told):
    Person.update(sign_in_email=email, sign_in_email_proven=proven).execute()
    leave(ada)

    assert (email in [row.address for row in Notice.select()]) is told


# -- coming back ----------------------------------------------------------------------------------


@pytest.fixture
def come_back(now):
    """Sign in with an identity as somebody new."""

    def come_back(subject: str = claimed_id("ada"), name: str = "ada") -> Person:
        arrival = SignIn(ISSUER, subject, f"{name}@home.example.net", True)
        return entitle(sign_in(arrival, reading(account(name), "proj-members"), now)[0], now)

    return come_back


def test_who_comes_back_is_somebody_new_who_may_have_their_name_again(
    domain, ada, leave, come_back, fate, settings, now
):
    leave(ada)
    back = come_back()
    assert back.id != ada.id
    assert not list(back.aliases)

    (row,) = overview_of(back, now, settings.record_secret).rows
    assert row.problem is None
    alias = claim(back.id, domain, None, settings.record_secret, now)

    assert (alias.person_id, alias.switch) == (back.id, Switch.ON)
    assert not ErasedOwner.select().exists()
    assert fate("ada@proj.example", now) is Fate.DELIVER


def test_any_of_their_identities_will_do(domain, ada, leave, come_back, settings, now):
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=ada, added_at=now)
    leave(ada)
    back = come_back(claimed_id("second"))

    assert claim(back.id, domain, None, settings.record_secret, now).text == "ada@proj.example"


def test_nobody_else_gets_the_name(domain, ada, leave, come_back, settings, now):
    leave(ada)
    other = come_back(claimed_id("other"))

    (row,) = overview_of(other, now, settings.record_secret).rows
    assert row.problem is ClaimProblem.TAKEN
    with pytest.raises(ClaimRefused) as refused:
        claim(other.id, domain, None, settings.record_secret, now)
    assert refused.value.problem is ClaimProblem.TAKEN


def test_with_another_secret_nobody_is_known_again(domain, ada, leave, come_back, now):
    leave(ada)

    (row,) = overview_of(come_back(), now, "another record secret of 32 characters").rows
    assert row.problem is ClaimProblem.TAKEN


def test_leaving_does_not_get_round_the_names_a_person_may_have(domain, ada, leave, come_back, settings, now):
    """After a rename a second name may be taken once in 12 months; two that were left count."""
    leave(ada)
    second = come_back(name="ada-two")
    claim(second.id, domain, None, settings.record_secret, now)
    leave(second)
    third = come_back(name="ada-three")

    with pytest.raises(ClaimRefused) as refused:
        claim(third.id, domain, None, settings.record_secret, now)
    assert refused.value.problem is ClaimProblem.ONE_NAME


def test_an_end_is_not_undone_by_leaving_and_coming_back(domain, ada, leave, settings, now):
    """Who is not entitled any more is not entitled when they come back either."""
    Alias.update(entitlement=Entitlement.ENDED).execute()
    leave(ada)
    arrival = SignIn(ISSUER, claimed_id("ada"))
    back = sign_in(arrival, reading(account("ada")), now)[0]

    with pytest.raises(ClaimRefused) as refused:
        claim(back.id, domain, "a@home.example.net", settings.record_secret, now)
    assert refused.value.problem is ClaimProblem.NOT_ENTITLED


# -- twice, and at once ---------------------------------------------------------------------------


def test_twice_is_once(ada, leave):
    assert leave(ada) is True
    entries = AuditEntry.select().count()

    assert leave(ada) is False
    assert AuditEntry.select().count() == entries


def test_twice_at_once_is_once(treasure, leave):
    results = at_once(*[lambda: leave(treasure)] * 4)

    assert sorted(results) == [False, False, False, True]
    assert [entry.verb for entry in AuditEntry.select()].count("person-erased") == 1
    assert first_fault() is None


def test_a_claim_at_the_same_moment_leaves_nothing_either(domain, settings, now):
    for turn in range(5):
        person = make_member(now, f"quick{turn}")

        def take(person=person):
            with contextlib.suppress(NotYours):
                claim(person.id, domain, None, settings.record_secret, now)

        at_once(lambda person=person: erase(person.id, settings.record_secret, now), take)

        assert not Person.select().where(Person.id == person.id).exists()
        assert not Alias.select().where(Alias.person.is_null(False)).exists()
    assert first_fault() is None


def test_a_sign_in_at_the_same_moment_ends_with_somebody_or_somebody_new(ada, leave, now):
    arrival = SignIn(ISSUER, claimed_id("ada"))
    results = at_once(lambda: leave(ada), lambda: sign_in(arrival, UNKNOWN, now)[0].id)

    assert results[0] is True
    assert not Person.select().where(Person.id == ada.id).exists()
    assert {row.person_id for row in Identity.select()} <= {results[1]} - {ada.id}


def test_a_job_about_somebody_who_left_has_nothing_to_do(ada, leave, now):
    leave(ada)

    assert sync_person(None, ada.id, None, now) is True  # type: ignore[arg-type]  # asks nobody


# -- language and notices -------------------------------------------------------------------------


def test_a_chosen_language_outlasts_a_sign_in(ada, now):
    choose_language(ada.id, "ja", now)
    sign_in(SignIn(ISSUER, claimed_id("ada"), language="en"), UNKNOWN, now)

    assert Person.get_by_id(ada.id).language == "ja"
    assert AuditEntry.select().where(AuditEntry.verb == "language-chosen").count() == 1


def test_without_a_choice_the_language_is_that_of_the_sign_in(ada, now):
    sign_in(SignIn(ISSUER, claimed_id("ada"), language="ja"), UNKNOWN, now)

    assert Person.get_by_id(ada.id).language == "ja"


def test_the_same_language_again_is_no_change(ada, now):
    choose_language(ada.id, "en", now)

    assert not AuditEntry.select().where(AuditEntry.verb == "language-chosen").exists()
    assert Person.get_by_id(ada.id).language_chosen


def test_notices_are_switched_off_and_on(ada, now):
    choose_notices(ada.id, [], now)
    assert json.loads(Person.get_by_id(ada.id).muted) == ["requests"]
    choose_notices(ada.id, [Topic.REQUESTS], now)
    choose_notices(ada.id, [Topic.REQUESTS], now)

    assert json.loads(Person.get_by_id(ada.id).muted) == []
    assert AuditEntry.select().where(AuditEntry.verb == "notices-chosen").count() == 2
