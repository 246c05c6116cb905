"""core.domain_proof: what follows from a record that is there, is not there, or is not known"""

import itertools

import pytest

from core.addresses import parse_address
from core.aliases import ClaimRefused, claim
from core.audit import OPERATOR, first_fault
from core.database import write
from core.dns_asking import UNKNOWN, Outcome, Reply
from core.domain_proof import (
    CLOSES_AFTER,
    check_domains,
    gives_out_names,
    has_working_admin,
    judge,
    take_look,
)
from core.domains import DomainExists, Rules, add_domain, change_rules, find_domain, remove_domain
from core.facts import Answer
from core.letters import write_letter
from core.models import Alias, AuditEntry, Domain, DomainTeam, Notice, Recipient, RoleGrant
from core.people import ban
from core.roles import Role, authority_of, grant_to_team
from core.route_steps import stored_aliases
from core.routing import Fate, route
from core.standing import decision_for, store_memberships
from core.waiver_rules import Kind, WaiverProblem, check
from tests.support.arrange import (
    DOMAIN,
    ISSUER,
    claimed_id,
    later,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_waiver,
)
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def see(domain, now):
    """Take a look with this outcome, so many days after noon."""

    def see(outcome: Outcome, days: float = 0) -> Domain:
        take_look(OPERATOR, domain, outcome, later(now, days=days))
        return Domain.get_by_id(domain.id)

    return see


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


def told() -> list[str]:
    return [notice.kind for notice in Notice.select().order_by(Notice.id)]


# -- absence --------------------------------------------------------------------------------------


def test_a_week_of_absence_closes_the_domain_and_the_admins_are_told_once(see, domain, now, settings):
    make_admin(now, "boss", Role.PROJECT_ADMIN)
    for day in range(12):
        row = see(Outcome.ABSENT, day)
        assert (row.closed_at is not None) == (day >= 7)
        assert row.proof_missing_since == now

    assert told() == ["domain-record-missing", "domain-closed"]
    assert {notice.recipient.address for notice in Notice.select()} == {"boss@admins.example.net"}
    assert verbs().count("domain-closed") == verbs().count("domain-record-missing") == 1
    assert write_letter(Notice.get(Notice.kind == "domain-record-missing"), settings, now) is None
    letter = write_letter(Notice.get(Notice.kind == "domain-closed"), settings, now)
    assert domain.verification_token.encode() in letter.message
    assert first_fault() is None


def test_without_admins_the_ops_address_is_told(see, settings, now):
    see(Outcome.ABSENT)
    see(Outcome.ABSENT, 1)

    assert write_letter(Notice.get(), settings, now).to == settings.ops_address


def test_one_absence_of_less_than_a_day_tells_nobody(see):
    see(Outcome.ABSENT)
    see(Outcome.ABSENT, 0.9)
    row = see(Outcome.FOUND, 1)

    assert told() == []
    assert row.proof_missing_since is None
    assert verbs()[-2:] == ["domain-record-missing", "domain-record-back"]


def test_trouble_neither_begins_nor_ends_an_absence(see, now):
    assert see(Outcome.UNKNOWN).proof_missing_since is None
    see(Outcome.ABSENT, 1)
    assert see(Outcome.UNKNOWN, 2).proof_missing_since == later(now, days=1)
    assert see(Outcome.UNKNOWN, 30).closed_at is None
    assert see(Outcome.ABSENT, 31).closed_at == later(now, days=31)
    row = see(Outcome.UNKNOWN, 32)
    assert row.closed_at == later(now, days=31)
    assert (row.proof_looked_at, row.proof_said) == (later(now, days=32), "unknown")


def test_the_record_that_is_back_opens_the_domain_again(see):
    see(Outcome.ABSENT)
    see(Outcome.ABSENT, 7)
    row = see(Outcome.FOUND, 8)

    assert (row.closed_at, row.proof_missing_since) == (None, None)
    assert verbs()[-1] == "domain-reopened"
    assert see(Outcome.ABSENT, 9).proof_missing_since is not None


def test_a_closed_domain_gives_no_names_but_passes_mail_on(see, domain, now, settings):
    ada, bob = make_member(now), make_member(now, "bob")
    make_alias(ada, domain, now, recipients=[ada.recipients.get()])
    see(Outcome.ABSENT, -7)
    row = see(Outcome.ABSENT)

    assert not gives_out_names(row)
    assert not decision_for(bob, row, now).claimable
    with pytest.raises(ClaimRefused):
        claim(bob.id, row, None, settings.record_secret, now)
    assert Alias.select().count() == 1
    assert route(stored_aliases(), parse_address(f"ada@{DOMAIN}"), "ops@x.example", now).fate is Fate.DELIVER


@pytest.mark.parametrize("kind", [Kind.DOMAIN, Kind.LOCAL_PART])
def test_a_closed_domain_gives_no_names_by_waivers(see, domain, now, kind):
    see(Outcome.ABSENT, -7)
    row = see(Outcome.ABSENT)
    waiver = make_waiver(make_member(now), row, now, kind, local_part="other")

    with pytest.raises(WaiverProblem, match="prove the domain again"):
        check(waiver, "secret", now)


def test_absence_means_nothing_for_a_domain_that_was_never_proven(db, now):
    domain = add_domain(OPERATOR, DOMAIN, [], now)
    for day in range(9):
        take_look(OPERATOR, domain, Outcome.ABSENT, later(now, days=day))

    row = Domain.get()
    assert (row.closed_at, row.proof_missing_since, told()) == (None, None, [])


def test_looks_at_the_same_moment_say_everything_once(see, domain, now):
    see(Outcome.ABSENT, -7)
    at_once(*[lambda: take_look(OPERATOR, domain, Outcome.ABSENT, now)] * 4)

    assert verbs().count("domain-closed") == 1
    assert told() == ["domain-closed"]


def test_a_removed_domain_is_left_alone(see, domain, now):
    remove_domain(OPERATOR, domain, now)
    before = verbs()

    assert see(Outcome.FOUND).proof_looked_at is None
    assert verbs() == before


# -- which are looked at --------------------------------------------------------------------------


def test_a_proven_domain_is_looked_at_once_a_day_and_one_that_waits_each_time(db, now, settings, monkeypatch):
    monkeypatch.setattr("core.domains.DNS_SECONDS", 0.05)
    nowhere = settings.model_copy(update={"resolver": "127.0.0.1:1"})
    make_domain(now, "proven.example")
    add_domain(OPERATOR, "waiting.example", [], now)

    def looked_at(hours: float) -> set[str]:
        check_domains(OPERATOR, nowhere, later(now, hours=hours))
        return {row.name for row in Domain.select().where(Domain.proof_looked_at == later(now, hours=hours))}

    assert looked_at(0) == {"proven.example", "waiting.example"}
    assert looked_at(1) == {"waiting.example"}
    assert looked_at(24) == {"proven.example", "waiting.example"}
    assert Domain.get(Domain.name == "proven.example").proof_said == "unknown"


# -- an admin with a mailbox ----------------------------------------------------------------------


def test_a_domain_that_waits_for_an_admin_opens_when_one_has_a_working_mailbox(db, now):
    domain = add_domain(OPERATOR, DOMAIN, [], now, waits_for_admin=True)
    take_look(OPERATOR, domain, Outcome.FOUND, now)
    assert not gives_out_names(Domain.get())

    boss = make_admin(now, "boss", Role.DOMAIN_ADMIN, domain)
    Recipient.update(failing_since=now).execute()
    assert not has_working_admin(domain, now)
    take_look(OPERATOR, domain, Outcome.UNKNOWN, now)
    assert not gives_out_names(Domain.get())

    Recipient.update(failing_since=None).execute()
    take_look(OPERATOR, domain, Outcome.UNKNOWN, now)
    assert gives_out_names(Domain.get())
    assert verbs()[-1] == "domain-has-admin"
    assert boss.recipients.count() == 1


@pytest.mark.parametrize("domain_admin", [False, True])
@pytest.mark.parametrize("by", ["settings", "team"])
def test_an_admin_by_the_settings_or_a_team_opens_it_too(db, now, by, domain_admin):
    domain = add_domain(OPERATOR, DOMAIN, [], now, waits_for_admin=True)
    kaia, configured = make_member(now, "kaia"), []
    role = Role.DOMAIN_ADMIN if domain_admin else Role.PROJECT_ADMIN
    take_look(OPERATOR, domain, Outcome.FOUND, now)
    if by == "settings":
        configured = [f"{role}{f':{DOMAIN}' if domain_admin else ''} {ISSUER} {claimed_id('kaia')}"]
    else:
        grant_to_team(OPERATOR, "boss-team", role, domain if domain_admin else None, now)
        with write():
            store_memberships(kaia, {"boss-team": Answer.YES}, now)
    Recipient.update(failing_since=now).execute()
    take_look(OPERATOR, domain, Outcome.UNKNOWN, now, configured)
    assert not gives_out_names(Domain.get())

    Recipient.update(failing_since=None).execute()
    take_look(OPERATOR, domain, Outcome.UNKNOWN, now, configured)

    assert gives_out_names(Domain.get())
    assert authority_of(kaia, configured, now).decides(domain.id)


def test_auditors_the_banned_and_admins_of_other_domains_open_nothing(db, now):
    domain = add_domain(OPERATOR, DOMAIN, [], now, waits_for_admin=True)
    other, kaia, lars = make_domain(now, "other.example"), make_member(now, "kaia"), make_member(now, "lars")
    grant_to_team(OPERATOR, "auditors", Role.AUDITOR, None, now)
    grant_to_team(OPERATOR, "others", Role.DOMAIN_ADMIN, other, now)
    grant_to_team(OPERATOR, "bosses", Role.PROJECT_ADMIN, None, now)
    with write():
        store_memberships(kaia, dict.fromkeys(("auditors", "others"), Answer.YES), now)
        store_memberships(lars, {"bosses": Answer.YES}, now)
    ban(OPERATOR, lars, now)
    configured = [
        f"{role} {ISSUER} {claimed_id('kaia')}" for role in ("auditor", "domain_admin:other.example")
    ]

    assert not has_working_admin(domain, now, configured)
    assert has_working_admin(other, now, configured)


# -- removed and added again ----------------------------------------------------------------------


def test_mail_for_a_removed_domain_is_refused_and_its_roles_end(domain, now):
    ada = make_member(now)
    make_alias(ada, domain, now, recipients=[ada.recipients.get()])
    make_admin(now, "boss", Role.DOMAIN_ADMIN, domain)
    remove_domain(OPERATOR, domain, now)
    remove_domain(OPERATOR, domain, later(now, hours=1))

    found = route(stored_aliases(), parse_address(f"ada@{DOMAIN}"), "ops@x.example", now)
    assert found.fate is Fate.UNKNOWN_DOMAIN
    assert RoleGrant.select().count() == 0
    assert verbs().count("domain-removed") == 1
    assert Domain.get().removed_at == now


def test_a_removed_domain_comes_back_as_a_new_one_with_its_addresses(domain, now):
    ada = make_member(now)
    alias = make_alias(ada, domain, now, recipients=[ada.recipients.get()])
    old = domain.verification_token
    remove_domain(OPERATOR, domain, now)
    again = add_domain(OPERATOR, DOMAIN, ["others"], now, coc_required=False)

    assert again.id == domain.id == find_domain(DOMAIN).id
    assert again.verification_token != old
    assert (again.verified_at, again.removed_at) == (None, None)
    assert [row.team for row in DomainTeam.select()] == ["others"]
    unproven = route(stored_aliases(), parse_address(alias.text), "ops@x.example", now)
    assert unproven.fate is Fate.UNKNOWN_DOMAIN
    take_look(OPERATOR, again, Outcome.FOUND, now)
    assert route(stored_aliases(), parse_address(alias.text), "ops@x.example", now).fate is Fate.DELIVER


def test_one_of_two_who_bring_a_domain_back_is_told_that_it_is_there(domain, now):
    remove_domain(OPERATOR, domain, now)
    results = at_once(*[lambda: add_domain(OPERATOR, DOMAIN, [], now)] * 3)

    assert [type(result) for result in results if not isinstance(result, Domain)] == [DomainExists] * 2


def test_rules_change_with_before_and_after_in_the_record(domain, now):
    wanted = Rules(("staff",), False, True, 30, "quarantine")

    assert change_rules(OPERATOR, domain, wanted, now)
    assert not change_rules(OPERATOR, domain, wanted, now)
    assert Rules.of(Domain.get()) == wanted
    assert Domain.get().verified_at == now
    assert verbs()[-1] == "domain-rules-changed"


# -- whose word counts ----------------------------------------------------------------------------

RECORD = "waypost-site-verification=abc"
YES, NO = Reply(Outcome.FOUND, ("v=spf1 -all", RECORD)), Reply(Outcome.ABSENT)
OTHER = Reply(Outcome.FOUND, (RECORD + "d", RECORD.upper(), " " + RECORD))
SIGNED_NO = Reply(Outcome.ABSENT, authentic=True)

WORDS = {
    (YES, YES): Outcome.FOUND, (YES, NO): Outcome.FOUND, (YES, UNKNOWN): Outcome.FOUND,
    (NO, YES): Outcome.FOUND, (NO, NO): Outcome.ABSENT, (NO, UNKNOWN): Outcome.ABSENT,
    (OTHER, YES): Outcome.FOUND, (OTHER, OTHER): Outcome.ABSENT, (OTHER, UNKNOWN): Outcome.ABSENT,
    (SIGNED_NO, YES): Outcome.UNKNOWN, (SIGNED_NO, NO): Outcome.ABSENT,
    (UNKNOWN, YES): Outcome.UNKNOWN, (UNKNOWN, NO): Outcome.UNKNOWN, (UNKNOWN, UNKNOWN): Outcome.UNKNOWN,
}  # fmt: skip
"""By what the resolver and what the domain's own servers say."""


@pytest.mark.parametrize(("words", "outcome"), WORDS.items())
def test_what_two_answers_come_to(words, outcome):
    assert judge(RECORD, *words) is outcome


def test_nothing_but_two_clear_answers_is_an_absence():
    replies = [YES, NO, OTHER, SIGNED_NO, UNKNOWN]
    absent = {pair for pair in itertools.product(replies, replies) if judge(RECORD, *pair) is Outcome.ABSENT}

    assert all(UNKNOWN is not pair[0] and YES not in pair for pair in absent)
    assert CLOSES_AFTER.days == 7
