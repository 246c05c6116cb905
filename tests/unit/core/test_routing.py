"""core.routing"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import Address, parse_address
from core.reserved import ROLE_NAMES
from core.routing import (
    LATER_LASTS,
    REPLIES,
    AliasFacts,
    Entitlement,
    Fate,
    Hold,
    Order,
    RouteRecipient,
    Switch,
    alias_fate,
    route,
)
from tests.support.strategies import moments

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOME = RouteRecipient("ada@home.example.net", deliverable=True)
WORK = RouteRecipient("ada@work.example.net", deliverable=True)
UNPROVEN = RouteRecipient("ada@other.example.net", deliverable=False)
GOOD = AliasFacts(7, Entitlement.ENTITLED, Switch.ON, NOW, Hold.NONE, recipients=(HOME,))
OPS = "ops@ops.example.net"


@dataclass
class Table:
    """An alias table for the domain proj.example."""

    aliases: dict[str, AliasFacts] = field(default_factory=dict)
    admins: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def serves(self, domain):
        return domain == "proj.example"

    def find(self, domain, local_part):
        self.asked.append(local_part)
        return self.aliases.get(local_part)

    def admin_recipients(self, domain):
        return self.admins


def route_to(local_part, table=None, domain="proj.example", now=NOW):
    return route(table or Table({"ada": GOOD}), Address(local_part, domain), OPS, now)


@pytest.mark.parametrize(
    ("facts", "fate"),
    [
        (GOOD, Fate.DELIVER),
        (replace(GOOD, hold=Hold.ADMIN), Fate.HELD),
        (replace(GOOD, hold=Hold.BAN), Fate.HELD),
        (replace(GOOD, hold=Hold.LAUNCHPAD), Fate.HELD),
        (replace(GOOD, hold=Hold.ADMIN, entitlement=Entitlement.ENDED), Fate.HELD),
        (replace(GOOD, hold=Hold.ADMIN, switch=Switch.OFF_LATER), Fate.HELD),
        (replace(GOOD, hold=Hold.ADMIN, recipients=()), Fate.HELD),
        (replace(GOOD, entitlement=Entitlement.ENDED), Fate.ENDED),
        (replace(GOOD, entitlement=Entitlement.ENDED, switch=Switch.OFF_LATER), Fate.ENDED),
        (replace(GOOD, switch=Switch.GIVEN_UP), Fate.ENDED),
        (replace(GOOD, switch=Switch.GIVEN_UP, recipients=()), Fate.ENDED),
        (replace(GOOD, switch=Switch.OFF_REFUSED), Fate.OFF_REFUSED),
        (replace(GOOD, switch=Switch.OFF_LATER), Fate.OFF_LATER),
        (replace(GOOD, switch=Switch.OFF_LATER, recipients=()), Fate.OFF_LATER),
        (replace(GOOD, recipients=()), Fate.NO_RECIPIENT_YET),
        (replace(GOOD, recipients=(UNPROVEN,)), Fate.NO_RECIPIENT_YET),
        (replace(GOOD, recipients=(UNPROVEN, HOME)), Fate.DELIVER),
    ],
)
def test_the_three_facts_and_the_recipients_decide_in_this_order(facts, fate):
    assert alias_fate(facts, NOW) is fate


def test_in_grace_mail_flows_until_its_last_second():
    facts = replace(GOOD, entitlement=Entitlement.GRACE, grace_until=NOW)

    assert alias_fate(facts, NOW - SECOND) is Fate.DELIVER
    assert alias_fate(facts, NOW) is Fate.ENDED


def test_later_becomes_refused_after_three_days():
    facts = replace(GOOD, switch=Switch.OFF_LATER, switched_at=NOW)

    assert alias_fate(facts, NOW + timedelta(days=3) - SECOND) is Fate.OFF_LATER
    assert alias_fate(facts, NOW + timedelta(days=3)) is Fate.OFF_REFUSED


def test_without_a_recipient_later_becomes_refused_after_three_days():
    facts = replace(GOOD, recipients=(UNPROVEN,), unreachable_since=NOW)

    assert alias_fate(facts, NOW + timedelta(days=3) - SECOND) is Fate.NO_RECIPIENT_YET
    assert alias_fate(facts, NOW + timedelta(days=3)) is Fate.NO_RECIPIENT


@pytest.mark.parametrize(
    ("fate", "code", "enhanced"),
    [
        (Fate.DELIVER, 250, "2.1.5"),
        (Fate.UNKNOWN_DOMAIN, 550, "5.1.2"),
        (Fate.UNKNOWN_ADDRESS, 550, "5.1.1"),
        (Fate.HELD, 550, "5.2.1"),
        (Fate.ENDED, 550, "5.1.6"),
        (Fate.OFF_LATER, 450, "4.2.1"),
        (Fate.OFF_REFUSED, 550, "5.2.1"),
        (Fate.NO_RECIPIENT_YET, 450, "4.2.1"),
        (Fate.NO_RECIPIENT, 550, "5.2.1"),
    ],
)
def test_each_fate_has_its_reply(fate, code, enhanced):
    reply = REPLIES[fate]

    assert (reply.code, reply.enhanced) == (code, enhanced)
    assert reply.is_temporary is (code == 450)
    assert str(reply) == f"{code} {enhanced} {reply.text}"


def test_no_fate_is_without_a_reply():
    assert set(REPLIES) == set(Fate)


def test_a_good_address_is_routed_to_its_recipients_in_order():
    result = route_to("ada", Table({"ada": replace(GOOD, recipients=(WORK, UNPROVEN, HOME))}))

    assert result.fate is Fate.DELIVER
    assert result.recipients == (WORK.address, HOME.address)
    assert (result.alias, result.alias_id) == ("ada@proj.example", 7)
    assert result.reply.code == 250


def test_a_foreign_domain_is_not_served():
    result = route_to("postmaster", domain="other.example")

    assert result.fate is Fate.UNKNOWN_DOMAIN
    assert result.reply.enhanced == "5.1.2"


def test_an_unknown_address_is_refused():
    result = route_to("grace")

    assert result.fate is Fate.UNKNOWN_ADDRESS
    assert result.recipients == ()
    assert result.reply.enhanced == "5.1.1"


def test_the_case_of_the_local_part_does_not_matter():
    assert route_to("Ada").alias == "ada@proj.example"


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, hold=Hold.BAN),
        replace(GOOD, switch=Switch.OFF_LATER),
        replace(GOOD, recipients=(UNPROVEN,)),
    ],
)
def test_what_is_not_delivered_has_no_recipients_and_the_reply_of_its_fate(facts):
    result = route_to("ada", Table({"ada": facts}))

    assert result.recipients == ()
    assert result.reply is REPLIES[result.fate]
    assert result.alias == "ada@proj.example"


@pytest.mark.parametrize("local_part", ["ada+list", "ada+", "ADA+List", "ada+a+b", "ada+x@y"])
def test_a_sub_address_reaches_the_alias_before_its_plus(local_part):
    result = route_to(local_part)

    assert result.fate is Fate.DELIVER
    assert result.alias == "ada@proj.example"


def test_the_whole_local_part_comes_before_its_stem():
    table = Table({"ada": GOOD, "ada+lab": replace(GOOD, alias_id=8, recipients=(WORK,))})

    assert route_to("ada+lab", table).recipients == (WORK.address,)
    assert route_to("ada+lab+x", table).recipients == (HOME.address,)


def test_a_whole_local_part_that_is_held_is_not_answered_by_its_stem():
    table = Table({"ada": GOOD, "ada+lab": replace(GOOD, hold=Hold.ADMIN)})

    assert route_to("ada+lab", table).fate is Fate.HELD


@pytest.mark.parametrize("local_part", ["+", "+ada", "+ada+x"])
def test_a_leading_plus_leads_to_nobody(local_part):
    table = Table({"": GOOD, "ada": GOOD})

    assert route_to(local_part, table).fate is Fate.UNKNOWN_ADDRESS
    assert "" not in table.asked


def test_a_plain_address_costs_one_look():
    table = Table({"ada": GOOD})
    route_to("ada", table)

    assert table.asked == ["ada"]


@pytest.mark.parametrize("name", sorted(ROLE_NAMES))
def test_a_role_name_reaches_the_admins_of_the_domain(name):
    result = route_to(name, Table(admins=("kaia@home.example.net", "ada@home.example.net")))

    assert result.fate is Fate.DELIVER
    assert result.recipients == ("kaia@home.example.net", "ada@home.example.net")
    assert result.is_role
    assert (result.alias, result.alias_id) == (f"{name}@proj.example", None)


@pytest.mark.parametrize("name", ["postmaster", "Abuse", "POSTMASTER", "abuse+case-7"])
def test_without_admins_a_role_name_reaches_the_ops_address(name):
    result = route_to(name)

    assert result.recipients == (OPS,)
    assert result.is_role


def test_a_role_name_with_an_alias_that_delivers_goes_there():
    result = route_to("info", Table({"info": GOOD}, admins=("kaia@home.example.net",)))

    assert result.recipients == (HOME.address,)
    assert result.is_role


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, hold=Hold.ADMIN),
        replace(GOOD, entitlement=Entitlement.ENDED),
        replace(GOOD, switch=Switch.OFF_REFUSED),
        replace(GOOD, switch=Switch.OFF_LATER),
        replace(GOOD, recipients=()),
    ],
)
def test_a_role_name_whose_alias_does_not_deliver_reaches_the_admins(facts):
    result = route_to("abuse", Table({"abuse": facts}, admins=("kaia@home.example.net",)))

    assert result.fate is Fate.DELIVER
    assert result.recipients == ("kaia@home.example.net",)


@pytest.mark.parametrize("name", ["admin", "root", "noreply", "mailer-daemon"])
def test_other_reserved_names_reach_nobody(name):
    assert route_to(name, Table(admins=("kaia@home.example.net",))).fate is Fate.UNKNOWN_ADDRESS


def test_an_address_that_leads_to_nobody_is_no_role():
    assert not route_to("grace").is_role


def test_an_ordinary_name_is_no_role():
    assert not route_to("ada").is_role


# -- the tag of a sub-address ----------------------------------------------------------------------

TAGGED = replace(GOOD, keeps_tag=True)


def tagged(local_part, recipient=HOME.address):
    table = Table({"ada": replace(TAGGED, recipients=(RouteRecipient(recipient, deliverable=True),))})
    return route_to(local_part, table).recipients


def test_a_tag_is_not_passed_on_unless_the_owner_wants_it():
    assert route_to("ada+list").recipients == ("ada@home.example.net",)


@pytest.mark.parametrize(
    ("local_part", "recipient"),
    [
        ("ada+list", "ada+list@home.example.net"),
        ("Ada+List", "ada+List@home.example.net"),
        ("ada+a+b", "ada+a+b@home.example.net"),
        ("ada+a.b", "ada+a.b@home.example.net"),
        ("ada", "ada@home.example.net"),
        ("ada+", "ada+@home.example.net"),
    ],
)
def test_a_tag_is_passed_on_as_it_came(local_part, recipient):
    assert tagged(local_part) == (recipient,)


@pytest.mark.parametrize(
    "tag",
    [
        "+x> NOTIFY=SUCCESS ORCPT=rfc822;y",
        "+x>",
        "+a@evil.example",
        "+@evil.example,",
        "+a b",
        '+"',
        '+a"@evil.example',
        "+\\",
        "+..",
        "+a.",
        "+(comment)",
        "+<x",
        "+a,b",
        "+a;b",
        "+ü",
    ],
)
def test_a_tag_that_an_address_could_not_hold_as_it_is_is_left_out(tag):
    assert tagged(f"ada{tag}") == ("ada@home.example.net",)


def test_a_tag_goes_behind_a_tag_that_the_recipient_has():
    assert tagged("ada+list", "ada+proj@home.example.net") == ("ada+proj+list@home.example.net",)


@pytest.mark.parametrize("recipient", ['"a b"@home.example.net', '"a@b"@home.example.net'])
def test_a_quoted_recipient_gets_no_tag(recipient):
    assert tagged("ada+list", recipient) == (recipient,)


def test_a_tag_must_fit_into_the_local_part():
    recipient = "a" * 59 + "@home.example.net"

    assert tagged("ada+list", recipient) == ("a" * 59 + "+list@home.example.net",)
    assert tagged("ada+lists", recipient) == (recipient,)


@given(st.text(st.characters(exclude_categories=("Cs",))).filter(str.isprintable))
def test_no_tag_makes_anything_but_a_sub_address_of_the_recipient(tag):
    (recipient,) = tagged(f"ada+{tag}")

    parsed = parse_address(recipient)
    assert parsed.text == recipient
    assert parsed.domain == "home.example.net"
    assert parsed.local_part.partition("+")[0] == "ada"


def test_an_alias_of_the_whole_local_part_has_no_tag_to_pass_on():
    table = Table({"ada+lab": TAGGED})

    assert route_to("ada+lab", table).recipients == ("ada@home.example.net",)


def test_the_order_that_the_owner_chose_is_part_of_the_route():
    table = Table({"ada": replace(GOOD, order=Order.FIRST)})

    assert route_to("ada", table).order is Order.FIRST
    assert route_to("ada").order is Order.ALL


class Broken(Exception):
    """The table cannot be asked."""


@pytest.mark.parametrize(
    ("method", "local_part"),
    [("serves", "ada+x"), ("find", "ada+x"), ("find", "postmaster"), ("admin_recipients", "postmaster")],
)
def test_a_table_in_trouble_is_never_an_unknown_address(monkeypatch, method, local_part):
    def fail(*_):
        raise Broken

    table = Table()
    monkeypatch.setattr(table, method, fail, raising=False)
    with pytest.raises(Broken):
        route_to(local_part, table)


recipients = st.lists(
    st.builds(RouteRecipient, st.sampled_from(["a@x.example", "b@x.example"]), st.booleans())
)
any_facts = st.builds(
    AliasFacts,
    st.just(1),
    st.sampled_from(Entitlement),
    st.sampled_from(Switch),
    moments,
    st.sampled_from(Hold),
    st.none() | moments,
    st.none() | moments,
    recipients.map(tuple),
)
names = st.sampled_from(["ada", "ada+x", "postmaster", "abuse+x", "+", "Ada"])


@given(any_facts, moments)
def test_mail_flows_only_when_nothing_speaks_against_it(facts, now):
    flows = alias_fate(facts, now) is Fate.DELIVER

    assert flows is (
        facts.hold is Hold.NONE
        and facts.switch is Switch.ON
        and (
            facts.entitlement is Entitlement.ENTITLED
            or (
                facts.entitlement is Entitlement.GRACE
                and (facts.grace_until is None or now < facts.grace_until)
            )
        )
        and any(recipient.deliverable for recipient in facts.recipients)
    )


@given(any_facts, moments, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_what_was_refused_does_not_become_later_by_waiting(facts, now, pause):
    before, after = REPLIES[alias_fate(facts, now)], REPLIES[alias_fate(facts, now + pause)]

    assert before.code != 550 or after.code == 550


@given(any_facts.filter(lambda facts: facts.unreachable_since is not None), moments)
def test_later_lasts_three_days_at_most(facts, now):
    start = max(facts.switched_at, facts.unreachable_since)

    assert not REPLIES[alias_fate(facts, max(now, start + LATER_LASTS))].is_temporary


@given(st.dictionaries(st.sampled_from(["ada", "ada+x", "postmaster", "abuse"]), any_facts), names, moments)
def test_a_route_never_leads_to_a_recipient_that_is_not_deliverable(aliases, name, now):
    table = Table(aliases, admins=("kaia@home.example.net",))
    result = route_to(name, table, now=now)

    allowed = {r.address for facts in aliases.values() for r in facts.recipients if r.deliverable}
    assert set(result.recipients) <= allowed | {"kaia@home.example.net"}
    assert bool(result.recipients) is (result.fate is Fate.DELIVER)
    assert result.reply is REPLIES[result.fate]


@given(st.dictionaries(st.sampled_from(["postmaster", "abuse"]), any_facts), moments)
def test_mail_to_a_role_name_is_always_taken(aliases, now):
    assert route_to("postmaster", Table(aliases), now=now).fate is Fate.DELIVER
    assert route_to("abuse+x", Table(aliases), now=now).fate is Fate.DELIVER
