"""The `waypost` command as an operator runs it: real processes, a real resolver, a pretend Launchpad."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from core.audit import OPERATOR
from core.models import Alias, AuditEntry, Domain, Person, RoleGrant, Session
from core.people import SignIn, sign_in
from core.roles import Role
from core.settings import Settings
from core.sync import ask_about
from devtools.servers import PretendServers
from tests.cli.conftest import Waypost
from tests.support.arrange import UNKNOWN, claimed_id, make_admin, make_alias, make_domain, make_recipient


def signed_in(outside: PretendServers, settings: Settings, name: str, now: object) -> Person:
    """Let one of the pretend world's people sign in, as the portal does."""
    from core.directories import Deadline
    from core.directories.launchpad import Launchpad

    subject = outside.ubuntu_one.claimed_id(name)
    directory = Launchpad(settings.launchpad_api_url, "tests")
    arrival = SignIn(settings.openid_provider_url, subject, f"{name}@home.example.net", True)
    return sign_in(arrival, ask_about(directory, subject, Deadline(5)), now)[0]


def test_a_domain_may_give_its_addresses_by_itself(waypost: Waypost) -> None:
    waypost("domain", "add", "proj.example", "--team", "a")
    waypost("domain", "add", "auto.example", "--team", "a", "--automatic")

    assert {row.name: row.automatic for row in Domain.select()} == {
        "proj.example": False,
        "auto.example": True,
    }
    assert "auto.example\tnot verified\ta\tautomatic\n" in waypost("domain", "list").stdout


def test_a_domain_is_added_then_proven_by_its_record(waypost: Waypost, outside: PretendServers) -> None:
    added = waypost("domain", "add", "Proj.Example", "--team", "proj-members")
    assert added.returncode == 0, added.stderr
    record = added.stdout.split('"')[1]
    early = waypost("domain", "verify", "proj.example")
    outside.resolver.add("proj.example", "TXT", '"v=spf1 -all"', f'"{record[:20]}" "{record[20:]}"')
    proven = waypost("domain", "verify", "proj.example")
    outside.resolver.remove("proj.example")

    assert early.returncode == 1
    assert record in early.stdout
    assert proven.returncode == 0
    assert "proj.example is verified." in proven.stdout
    assert "proj.example\tverified" in waypost("domain", "list").stdout


def test_dns_trouble_is_told_apart_from_an_absent_record(waypost: Waypost, outside: PretendServers) -> None:
    waypost("domain", "add", "silent.example", "--team", "proj-members")
    outside.resolver.trouble("silent.example", "servfail")
    result = waypost("domain", "verify", "silent.example")
    outside.resolver.heal()

    assert result.returncode == 1
    assert "DNS did not answer" in result.stdout
    assert Domain.get(Domain.name == "silent.example").verified_at is None


def test_the_preset_has_ubuntus_six_domains(waypost: Waypost) -> None:
    waypost("domain", "add", "--preset", "ubuntu")

    listed = waypost("domain", "list").stdout
    assert listed.count("not verified") == 6
    assert "ubuntustudio.com\tnot verified\tubuntustudio-core" in listed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("domain", "add", "no domain", "--team", "x"), "not complete"),
        (("domain", "add", "proj.example"), "--team"),
        (("domain", "add", "--preset", "../../etc/passwd"), "no preset"),
        (("domain", "add", "srs.proj.example", "--team", "x"), "Bounces come back to this domain"),
        (("domain", "add", "*.proj.example", "--team", "x"), "a character or a hyphen where none can be"),
        (("domain", "add", "proj.example", "--team", ""), "no name of a team"),
        (("domain", "add", "proj.example", "--team", "two words"), "two words is no name of a team"),
        (("admin", "grant-team", "two words", "--yes"), "two words is no name of a team"),
        (("admin", "revoke", "99999999999999999999"), "There is no such role"),
        (("admin", "revoke", "--team", "99999999999999999999"), "There is no such role"),
        (("audit", "verify", "--head", ""), "64 hexadecimal digits"),
        (("audit", "export", "/nowhere/record.jsonl"), "/nowhere/record.jsonl cannot be written"),
        (("domain", "verify", "elsewhere.example"), "Not added yet"),
        (("route", "nonsense"), "name@example.org"),
        (("person", "ban", "nobody-here", "--yes"), "Nobody here"),
        (("admin", "grant", "nobody-here", "--yes"), "Nobody named nobody-here has signed in"),
        (("admin", "grant", "https://evil.example/+id/x", "--yes"), "A claimed id begins with"),
    ],
)
def test_a_senseless_command_says_what_to_do(
    waypost: Waypost, arguments: tuple[str, ...], sentence: str
) -> None:
    result = waypost(*arguments)

    assert result.returncode != 0
    assert sentence in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_route_says_where_mail_goes(waypost: Waypost, now: object) -> None:
    recipient = make_recipient(None, now, "ada@home.example.net")
    make_alias(None, make_domain(now), now, "ada", recipients=[recipient])

    found, unknown = waypost("route", "Ada+list@proj.example"), waypost("route", "bob@proj.example")

    assert found.stdout.splitlines() == [
        "1. proj.example is served here and proven.",
        "2. There is no ada+list@proj.example.",
        "3. There is ada@proj.example: entitlement entitled, switch on, hold none; that is deliver.",
        "Ada+list@proj.example: goes to ada@home.example.net (as ada@proj.example)",
        "  ada@home.example.net: its mail servers are catcher.example.net",
    ]
    assert unknown.returncode == 1
    assert "550 5.1.1" in unknown.stdout


def test_a_role_is_tied_to_the_claimed_id_behind_a_name(
    waypost: Waypost, outside: PretendServers, settings: Settings, now: object
) -> None:
    signed_in(outside, settings, "kaia", now)
    make_domain(now)

    refused = waypost("admin", "grant", "kaia", "--domain", "proj.example", typed="n\n")
    assert RoleGrant.select().count() == 0
    granted = waypost("admin", "grant", "kaia", "--domain", "proj.example", typed="y\n")
    again = waypost(
        "admin", "grant", outside.ubuntu_one.claimed_id("kaia"), "--domain", "proj.example", "--yes"
    )

    assert refused.returncode != 0
    assert outside.ubuntu_one.claimed_id("kaia") in granted.stdout
    assert RoleGrant.get().subject == outside.ubuntu_one.claimed_id("kaia")
    assert "was domain_admin of proj.example already" in again.stdout
    assert RoleGrant.select().count() == 1


def test_a_name_that_changed_hands_gets_no_role(
    waypost: Waypost, outside: PretendServers, settings: Settings, now: object
) -> None:
    subject = outside.ubuntu_one.claimed_id("gail-moss")
    person = sign_in(SignIn(settings.openid_provider_url, subject), UNKNOWN, now)[0]
    Person.update(launchpad_name="gail").where(Person.id == person.id).execute()  # as it was before

    result = waypost("admin", "grant", "gail", "--yes")

    assert result.returncode != 0
    assert "Launchpad does not confirm" in result.stderr
    assert RoleGrant.select().count() == 0


def test_a_ban_holds_addresses_and_ends_sessions_until_it_is_lifted(
    waypost: Waypost, outside: PretendServers, settings: Settings, now: object
) -> None:
    person = signed_in(outside, settings, "ada", now)
    recipient = person.recipients.get()
    make_alias(person, make_domain(now), now, "ada", recipients=[recipient])

    waypost("person", "ban", "ada", typed="y\n")
    during = waypost("route", "ada@proj.example").stdout
    sessions = Session.select().count()
    waypost("person", "unban", "ada", "--yes")
    after = waypost("route", "ada@proj.example")

    assert "550 5.2.1" in during
    assert sessions == 0
    assert after.returncode == 0
    assert Alias.get().hold == "none"
    verbs = [entry.verb for entry in AuditEntry.select().where(AuditEntry.actor == OPERATOR)]
    assert verbs[-4:] == ["person-banned", "alias-held", "person-unbanned", "alias-released"]


def test_a_missing_setting_stops_the_command_with_its_name() -> None:
    command = [str(Path(sys.executable).parent / "waypost"), "domain", "list"]
    result = subprocess.run(
        command, env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=False
    )

    assert result.returncode == 78
    assert "DATABASE_URL is not set" in result.stderr
    assert "Traceback" not in result.stderr


def test_check_tells_errors_and_what_was_expected(
    waypost: Waypost, outside: PretendServers, now: object
) -> None:
    make_domain(now)
    bad = waypost("domain", "check", "proj.example")
    outside.resolver.add("proj.example", "MX", "10 mx.proj.example.")
    better = waypost("domain", "check", "proj.example")
    outside.resolver.remove("proj.example")

    assert bad.returncode == 1, bad.stderr
    assert "ERROR\tproj.example MX: There is no MX record" in bad.stdout
    assert "\texpected: proj.example. IN MX 10 mx.proj.example.\n" in bad.stdout
    assert "RIGHT\tproj.example MX: Mail goes to the relay." in better.stdout
    assert "none of Waypost's domains" in waypost("domain", "check", "elsewhere.example").stderr


def test_a_domain_is_removed_only_when_its_name_is_typed(waypost: Waypost, now: object) -> None:
    make_domain(now)

    assert waypost("domain", "remove", "proj.example", typed="proj\n").returncode != 0
    assert Domain.get().removed_at is None
    assert waypost("domain", "remove", "Proj.example", typed="proj.example\n").returncode == 0
    assert Domain.get().removed_at is not None
    assert waypost("domain", "remove", "proj.example", "--yes").returncode != 0


def test_the_token_of_a_record_that_is_there_can_be_kept(waypost: Waypost) -> None:
    added = waypost("domain", "add", "proj.example", "--team", "a", "--token", "Kept-from_before")
    senseless = waypost("domain", "add", "other.example", "--team", "a", "--token", 'a"b')

    assert added.stdout == 'proj.example TXT "waypost-site-verification=Kept-from_before"\n'
    assert senseless.returncode != 0
    assert Domain.select().count() == 1


def test_roles_are_listed_and_taken(waypost: Waypost, now: datetime) -> None:
    domain = make_domain(now)
    make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    assert (
        "Members of some-admins are auditor."
        in waypost("admin", "grant-team", "some-admins", "--role", "auditor", "--yes").stdout
    )
    assert "already" in waypost("admin", "grant-team", "some-admins", "--role", "auditor", "--yes").stdout

    by_person, by_team = waypost("admin", "list").stdout.splitlines()
    assert by_person.split("\t")[1:] == ["domain_admin of proj.example", claimed_id("kaia")]
    assert by_team.split("\t")[1:] == ["auditor", "some-admins"]

    assert waypost("admin", "revoke", by_person.split("\t")[0]).returncode == 0
    assert waypost("admin", "revoke", "--team", by_team.split("\t")[0].split()[1]).returncode == 0
    assert waypost("admin", "list").stdout == ""
    again = waypost("admin", "revoke", by_person.split("\t")[0])
    assert again.returncode == 1
    assert "There is no such role." in again.stderr


def test_no_role_is_given_on_a_domain_that_was_removed(waypost: Waypost, now: datetime) -> None:
    waypost("domain", "add", "proj.example", "--team", "a")
    waypost("domain", "remove", "proj.example", "--yes")

    refused = waypost("admin", "grant-team", "helpers", "--domain", "proj.example", "--yes")

    assert refused.returncode == 1
    assert "proj.example is not served here." in refused.stderr
    assert waypost("admin", "list").stdout == ""


def test_a_domain_is_verified_by_its_name_in_any_spelling(waypost: Waypost, outside: PretendServers) -> None:
    record = waypost("domain", "add", "bücher.example", "--team", "a").stdout.split('"')[1]
    outside.resolver.add("xn--bcher-kva.example", "TXT", f'"{record}"')

    proven = waypost("domain", "verify", "BÜCHER.example.", "xn--bcher-kva.example")
    outside.resolver.remove("xn--bcher-kva.example")

    assert proven.stdout == "xn--bcher-kva.example is verified.\n"
