"""DMARC: alignment, policy, percent, several authors, and what is temporary."""

import asyncio

import pytest

from mailauth import dkim, dmarc, message, spf
from mailauth.author import addresses_in, authors
from mailauth.dmarc import Policy, Problem, Status
from mailauth.names import is_registry, organisational
from tests.mailauth.zone import Zone

NO_SPF = spf.Result(spf.Status.NONE, spf.Identity.MAIL_FROM, None, "")


def by_spf(domain, status=spf.Status.PASS):
    return spf.Result(status, spf.Identity.MAIL_FROM, domain, f"x@{domain}")


def by_dkim(domain, status=dkim.Status.PASS):
    return dkim.Result(status, domain=domain)


def check(author="x@bank.example", records=None, spf_result=NO_SPF, dkim_results=(), draw=0.0):
    head = author if isinstance(author, bytes) else f"From: {author}".encode()
    zone = Zone(
        {
            f"_dmarc.{name}": [("TIMEOUT", None)]
            if text is None
            else [("TXT", t.encode()) for t in text.split("|")]
            for name, text in (records or {"bank.example": "v=DMARC1; p=reject"}).items()
        }
    )
    return asyncio.run(
        dmarc.check(message.parse(head + b"\r\n\r\nHi\r\n"), spf_result, dkim_results, zone, draw=draw)
    )


def test_what_fails_gets_what_the_domain_asks():
    result = check()
    assert (result.status, result.policy, result.action) == (Status.FAIL, Policy.REJECT, Policy.REJECT)


@pytest.mark.parametrize("domain", ["bank.example", "mail.bank.example"])
def test_either_mechanism_is_enough_when_aligned(domain):
    one, other = check(spf_result=by_spf(domain)), check(dkim_results=[by_dkim(domain)])
    assert (one.status, one.spf_aligned, one.dkim_aligned) == (Status.PASS, True, False)
    assert (other.status, other.spf_aligned, other.dkim_aligned) == (Status.PASS, False, True)
    assert one.action is other.action is Policy.NONE


@pytest.mark.parametrize(
    "domain", ["evil.example", "notbank.example", "example", "bank.example.evil.example"]
)
def test_others_are_not_aligned(domain):
    assert check(spf_result=by_spf(domain), dkim_results=[by_dkim(domain)]).status is Status.FAIL


def test_strict_alignment_is_equality():
    strict = {"bank.example": "v=DMARC1; p=reject; aspf=s; adkim=s"}
    assert check(records=strict, spf_result=by_spf("mail.bank.example")).status is Status.FAIL
    assert check(records=strict, dkim_results=[by_dkim("mail.bank.example")]).status is Status.FAIL
    assert check(records=strict, dkim_results=[by_dkim("bank.example")]).status is Status.PASS


@pytest.mark.parametrize("status", [status for status in dkim.Status if status is not dkim.Status.PASS])
def test_only_a_pass_of_dkim_counts(status):
    assert check(dkim_results=[by_dkim("bank.example", status)]).status is not Status.PASS


@pytest.mark.parametrize("status", [status for status in spf.Status if status is not spf.Status.PASS])
def test_only_a_pass_of_spf_counts(status):
    assert check(spf_result=by_spf("bank.example", status)).status is not Status.PASS


def test_a_subdomain_takes_sp_and_its_own_record_first():
    assert check("x@a.bank.example", {"bank.example": "v=DMARC1; p=none; sp=reject"}).action is Policy.REJECT
    assert check("x@a.bank.example", {"bank.example": "v=DMARC1; p=reject"}).action is Policy.REJECT
    own = {"bank.example": "v=DMARC1; p=reject", "a.bank.example": "v=DMARC1; p=none; sp=reject"}
    assert check("x@a.bank.example", own).action is Policy.NONE


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("v=DMARC1; p=quarantine", Policy.QUARANTINE),
        ("v = DMARC1 ; P = Reject ; unknown=1;;", Policy.REJECT),
        ("v=DMARC1; p=reject; pct=abc; adkim=x", Policy.REJECT),
        ("v=DMARC1; p=bogus; rua=mailto:a@b.example", Policy.NONE),
        ("v=DMARC1; p=bogus", None),
        ("v=DMARC1", None),
        ("v=DMARC2; p=reject", None),
        ("v=dmarc1; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("v=DMARC1; p=reject|v=DMARC1; p=none", None),
        ("something else|v=DMARC1; p=reject", Policy.REJECT),
        ("v=DMARC1; p=reject; p=none", Policy.REJECT),
    ],
)
def test_records_as_people_write_them(text, policy):
    result = check(records={"bank.example": text})
    assert result.policy is policy
    assert result.status is (Status.NONE if policy is None else Status.FAIL)


def test_percent_gives_the_rest_the_next_weaker_policy():
    ten = {"bank.example": "v=DMARC1; p=reject; pct=10"}
    assert [check(records=ten, draw=draw).action for draw in (0, 9.9, 10, 99)] == [
        Policy.REJECT,
        Policy.REJECT,
        Policy.QUARANTINE,
        Policy.QUARANTINE,
    ]
    few = {"bank.example": "v=DMARC1; p=quarantine; pct=0"}
    assert check(records=few).action is Policy.NONE


def test_a_temporary_error_decides_only_where_it_matters():
    gone = {"bank.example": None}
    assert check(records=gone).undecided
    assert check(records=gone).status is Status.TEMPERROR
    assert not check(records=gone, dkim_results=[by_dkim("bank.example")]).undecided
    late = [by_dkim("bank.example", dkim.Status.TEMPERROR)]
    assert check(dkim_results=late).undecided
    assert check(spf_result=by_spf("bank.example", spf.Status.TEMPERROR)).undecided
    assert not check(dkim_results=late, spf_result=by_spf("bank.example")).undecided
    assert not check(records={"bank.example": "v=DMARC1; p=quarantine"}, dkim_results=late).undecided
    assert not check(dkim_results=[by_dkim("other.example", dkim.Status.TEMPERROR)]).undecided


def test_of_several_authors_the_strictest_failing_one_counts():
    both = "a@evil.example, b@bank.example"
    result = check(both, dkim_results=[by_dkim("evil.example")])
    assert (result.status, result.domain, result.action) == (Status.FAIL, "bank.example", Policy.REJECT)


def test_several_from_fields_never_pass():
    data = b"From: a@evil.example\r\nFrom: b@bank.example"
    result = check(data, dkim_results=[by_dkim("evil.example"), by_dkim("bank.example")])
    assert (result.status, result.problem, result.action) == (
        Status.PERMERROR,
        Problem.SEVERAL_FROM,
        Policy.REJECT,
    )


@pytest.mark.parametrize(
    "author",
    [
        '(") x@bank.example',
        "<x@bank.example> <y@evil.example>",
        '"Bank x@bank.example',
        "x@bank.example(",
        "<x@bank.example",
        "\\",
        "Bank <x@bank.example>, <>",
    ],
)
def test_a_from_field_of_two_readings_does_not_slip_through(author):
    result = check(author, dkim_results=[by_dkim("evil.example"), by_dkim("bank.example")])
    assert result.status is Status.PERMERROR
    assert result.action is (Policy.REJECT if "bank" in author else Policy.NONE)


def test_a_crowd_of_authors_is_refused():
    crowd = ", ".join(f"a@d{number}.example" for number in range(30))
    assert check(crowd).action is Policy.REJECT


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b" Ada <a@b.example>", ["a@b.example"]),
        (b' "x, <y@z.example>" <a@b.example>, d@e.example', ["a@b.example", "d@e.example"]),
        (b" group: a@b.example, c@d.example;", ["a@b.example", "c@d.example"]),
        (b" (a (nested) comment) a@b.example (x)", ["a@b.example"]),
        (b" a@b.example <d@e.example>", ["d@e.example"]),
        (b' "a@x.example"@b.example', ['"a@x.example"@b.example']),
        (b"\r\n\t<@r,@s:a@b.example>", ["a@b.example"]),
        (b" undisclosed:;", []),
        (b"", []),
        (b" <a@b.example> <d@e.example>", None),
        (b" a@b.example)", None),
    ],
)
def test_addresses_are_read_as_a_reader_sees_them(value, addresses):
    assert addresses_in(value) == addresses


def test_authors_are_certain_only_with_one_reading():
    assert authors(message.parse(b"From: a@BANK.example\r\n\r\n")).domains == ("bank.example",)
    assert not authors(message.parse(b"Subject: none\r\n\r\n")).certain


def test_organisational_domains_come_from_the_whole_list():
    assert organisational("a.b.example.co.uk") == "example.co.uk"
    assert organisational("one.github.io") == "one.github.io"
    assert organisational("co.uk") == "co.uk"
    assert is_registry("co.uk")
    assert is_registry("com")
    assert not is_registry("github.io")
    assert not is_registry("example.org")
