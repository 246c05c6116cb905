"""core.route_steps"""

from collections.abc import Iterator

import dns.resolver
import pytest

from core.addresses import parse_address
from core.alias_table import open_alias_table
from core.domains import make_resolver
from core.models import Domain
from core.roles import Role
from core.route_steps import Asked, Hosts, MailHosts, hosts_of, mail_hosts, route_with_steps, stored_aliases
from core.routing import Fate, Switch, route
from devtools.resolver import PretendResolver
from tests.support.arrange import make_admin, make_alias, make_domain, make_member

OPS = "ops@ops.example.net"


@pytest.fixture
def domain(db, now) -> Domain:
    domain = make_domain(now)
    ada = make_member(now)
    make_alias(ada, domain, now, recipients=[ada.recipients.get()])
    make_alias(ada, domain, now, "ada.off", recipients=[ada.recipients.get()], switch=Switch.OFF_REFUSED)
    return domain


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("ada@proj.example", [Asked.DOMAIN, Asked.NAME]),
        ("Ada+list@proj.example", [Asked.DOMAIN, Asked.NAME, Asked.NAME]),
        ("nobody@proj.example", [Asked.DOMAIN, Asked.NAME]),
        ("ada.off@proj.example", [Asked.DOMAIN, Asked.NAME]),
        ("x@elsewhere.example", [Asked.DOMAIN]),
        ("postmaster@proj.example", [Asked.DOMAIN, Asked.NAME, Asked.ADMINS]),
    ],
)
def test_it_is_the_routing_that_answers(domain, settings, now, address, asked, admin):
    if admin:
        make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    parsed = parse_address(address)
    relay = route(open_alias_table(settings.database_url), parsed, OPS, now)

    for table in (stored_aliases(), open_alias_table(settings.database_url)):
        found, steps = route_with_steps(table, parsed, OPS, now)
        assert found == relay
        assert [step.asked for step in steps] == asked


def test_a_step_says_what_was_found_and_what_that_makes_of_mail(domain, now):
    _, steps = route_with_steps(stored_aliases(), parse_address("ada.off+x@proj.example"), OPS, now)

    assert [(step.about, step.found, step.fate) for step in steps] == [
        ("proj.example", True, None),
        ("ada.off+x@proj.example", False, None),
        ("ada.off@proj.example", True, Fate.OFF_REFUSED),
    ]


# -- what DNS says ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pretend() -> Iterator[PretendResolver]:
    resolver = PretendResolver()
    resolver.start()
    resolver.add("two.example", "MX", "20 b.two.example.", "10 a.two.example.")
    resolver.add("null.example", "MX", "0 .")
    resolver.add("bare.example", "A", "192.0.2.1")
    resolver.add("six.example", "AAAA", "2001:db8::1")
    resolver.add("text.example", "TXT", '"no mail here"')
    yield resolver
    resolver.stop()


@pytest.fixture
def resolver(pretend) -> dns.resolver.Resolver:
    return make_resolver(pretend.address)


@pytest.mark.parametrize(
    ("name", "outcome", "names"),
    [
        ("two.example", Hosts.MX, ("a.two.example", "b.two.example")),
        ("null.example", Hosts.NO_MAIL, ()),
        ("bare.example", Hosts.ADDRESS, ("bare.example",)),
        ("six.example", Hosts.ADDRESS, ("six.example",)),
        ("text.example", Hosts.NONE, ()),
        ("nowhere.example", Hosts.NONE, ()),
    ],
)
def test_dns_says_where_a_domain_takes_mail(resolver, name, outcome, names):
    assert mail_hosts(resolver, name) == MailHosts(name, outcome, names)


def test_a_server_that_fails_is_no_answer(pretend, resolver):
    pretend.trouble("two.example", "servfail")
    try:
        assert mail_hosts(resolver, "two.example").outcome is Hosts.UNKNOWN
    finally:
        pretend.heal()


def test_each_domain_is_asked_about_once_and_few_of_them(resolver):
    recipients = [f"{n}@two.example" for n in range(9)] + [f"x@d{n}.example" for n in range(9)]

    found = hosts_of(resolver, recipients)

    assert len(found) == 9 + 4
    assert found["8@two.example"].outcome is Hosts.MX
