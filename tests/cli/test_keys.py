"""`waypost keys` and `waypost dns`: real processes and a real resolver."""

import re
from collections.abc import Callable, Iterator

import pytest

from core.audit import OPERATOR, first_fault
from core.models import AuditEntry, DkimKey, Domain, Notice
from devtools.servers import PretendServers
from tests.cli.conftest import Waypost
from tests.support.arrange import make_domain

RECORD = re.compile(r'^(\S+)\._domainkey\.(\S+)\. IN TXT ((?:"[^"]{1,255}" ?)+)$', re.MULTILINE)


@pytest.fixture(autouse=True)
def domains(db: object, now: object) -> None:
    make_domain(now)
    make_domain(now, "other.example")


@pytest.fixture
def publish(outside: PretendServers) -> Iterator[Callable[[str], None]]:
    """Puts the key records of what was printed into DNS, as an operator copies them."""
    names: list[str] = []

    def publish(printed: str) -> None:
        for selector, domain, value in RECORD.findall(printed):
            names.append(f"{selector}._domainkey.{domain}")
            outside.resolver.add(names[-1], "TXT", value)

    yield publish
    for name in names:
        outside.resolver.remove(name)


def test_keys_from_the_first_one_to_the_next(waypost: Waypost, publish: Callable[[str], None]) -> None:
    created = waypost("keys", "create", "Proj.Example")
    assert created.returncode == 0, created.stderr
    first = DkimKey.get()
    assert f"\n{first.record_name}. IN TXT " in created.stdout
    assert "waiting for DNS since" in waypost("keys", "check").stdout

    publish(created.stdout)
    checked = waypost("keys", "check")
    assert re.search(
        rf"^proj\.example\t{first.selector}\trsa\tin use since .*\tnothing to do$", checked.stdout
    )

    rotated = waypost("keys", "rotate", "proj.example")
    publish(rotated.stdout)
    listed = waypost("keys", "check").stdout
    assert re.search(
        rf"{first.selector}\trsa\tretired since .*\tkeep its record until 20\d\d-\d\d-\d\d\n", listed
    )
    assert listed.count("in use since") == 1
    assert [entry.verb for entry in AuditEntry.select().where(AuditEntry.actor == OPERATOR)][4:] == [
        "signing-key-made",
        "signing-key-in-use",
        "signing-key-made",
        "signing-key-in-use",
        "signing-key-retired",
    ]
    assert Notice.select().where(Notice.kind == "signing-key-in-use").count() == 2
    assert first_fault() is None


def test_several_domains_at_once_with_ones_own_selector(waypost: Waypost) -> None:
    options = ("--algorithm", "ed25519", "--selector", "mail1")
    created = waypost("keys", "create", "proj.example", "other.example", *options)

    assert [match[:2] for match in RECORD.findall(created.stdout)] == [
        ("mail1", "proj.example"),
        ("mail1", "other.example"),
    ]
    assert {row.algorithm for row in DkimKey.select()} == {"ed25519"}


def test_a_next_key_that_waits_is_shown_again(waypost: Waypost) -> None:
    created = waypost("keys", "create", "proj.example", "--algorithm", "ed25519")
    again = waypost("keys", "rotate", "proj.example")

    assert again.returncode != 0
    assert "waits for DNS" in again.stderr
    assert RECORD.findall(again.stdout) == RECORD.findall(created.stdout) != []


def test_a_key_that_waits_can_be_withdrawn(waypost: Waypost) -> None:
    waypost("keys", "create", "proj.example", "--algorithm", "ed25519", "--selector", "wrong")
    withdrawn = waypost("keys", "withdraw", "proj.example")

    assert "wrong._domainkey.proj.example" in withdrawn.stdout
    assert DkimKey.select().count() == 0
    assert waypost("keys", "withdraw", "proj.example").returncode != 0


def test_the_list_can_be_of_one_domain(waypost: Waypost) -> None:
    assert "waypost keys create" in waypost("keys", "list").stdout
    waypost("keys", "create", "proj.example", "srs.proj.example", "--algorithm", "ed25519")

    assert waypost("keys", "list").stdout.count("\n") == 2
    assert waypost("keys", "list", "srs.proj.example").stdout.startswith("srs.proj.example\t")
    assert waypost("keys", "list", "srs.proj.example").stdout.count("\n") == 1


def test_the_list_says_what_is_wrong_with_a_key(waypost: Waypost, now: object) -> None:
    waypost("keys", "create", "proj.example", "other.example", "--algorithm", "ed25519")
    DkimKey.update(published_at=now, missing_since=now).where(DkimKey.domain == "proj.example").execute()
    DkimKey.update(sealed=b"x" * 60).where(DkimKey.domain == "other.example").execute()
    listed = waypost("keys", "list").stdout

    assert "publish its record: DNS does not show it since 2026-11-26 12:00 UTC" in listed
    assert "withdraw it: this RECORD_SECRET does not open it" in listed


def test_the_records_of_a_domain_are_printed_as_a_zone_file(waypost: Waypost) -> None:
    created = waypost("keys", "create", "other.example")
    printed = waypost("dns", "Other.example")

    token = Domain.get(Domain.name == "other.example").verification_token
    assert printed.returncode == 0
    assert f'other.example. IN TXT "waypost-site-verification={token}"\n' in printed.stdout
    assert "other.example. IN MX 10 mx.proj.example.\n" in printed.stdout
    assert created.stdout in printed.stdout


@pytest.mark.parametrize("name", ["srs.proj.example", "mx.proj.example"])
def test_the_names_of_the_settings_have_records_too(waypost: Waypost, name: str) -> None:
    printed = waypost("dns", name)

    assert printed.returncode == 0
    assert f'\n{name}. IN TXT "v=spf1 a' in printed.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("keys", "create", "elsewhere.example"), "none of Waypost's domains"),
        (("keys", "create", "no domain"), "not complete"),
        (("keys", "create", "proj.example", "--selector", "a b"), "letters, digits and hyphens"),
        (("keys", "create", "proj.example", "--algorithm", "dsa"), "'rsa', 'ed25519'"),
        (("keys", "rotate", "proj.example"), "waypost keys create proj.example"),
        (("keys", "rotate", "elsewhere.example"), "none of Waypost's domains"),
        (("keys", "list", "elsewhere.example"), "none of Waypost's domains"),
        (("keys", "create"), "DOMAINS"),
        (("dns", "elsewhere.example"), "none of Waypost's domains"),
        (("dns", "proj"), "not complete"),
    ],
)
def test_a_senseless_command_says_what_to_do(
    waypost: Waypost, arguments: tuple[str, ...], sentence: str
) -> None:
    result = waypost(*arguments)

    assert result.returncode != 0
    assert sentence in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert DkimKey.select().count() == 0


def test_a_second_key_names_the_way_to_go(waypost: Waypost) -> None:
    waypost("keys", "create", "proj.example", "--algorithm", "ed25519")
    second = waypost("keys", "create", "proj.example")

    assert second.returncode != 0
    assert "waypost keys rotate proj.example" in second.stderr


def test_without_dns_a_look_changes_nothing(waypost: Waypost, outside: PretendServers) -> None:
    waypost("keys", "create", "proj.example", "--algorithm", "ed25519")
    key = DkimKey.get()
    outside.resolver.add(key.record_name, "TXT", key.record)
    outside.resolver.trouble(key.record_name, "servfail")
    checked = waypost("keys", "check")
    outside.resolver.heal()
    outside.resolver.remove(key.record_name)

    assert checked.returncode == 0
    assert "waiting for DNS" in checked.stdout
    assert DkimKey.get() == key
    assert DkimKey.get().published_at is None
