"""What a DKIM signature is worth, a rule a test."""

import re
import threading

import pytest

from mailauth import dkim, message
from mailauth.canonical import Canon
from mailauth.dkim import Status
from mailauth.keys import Algorithm, SigningKey, read_record
from mailauth.signature import Problem
from tests.mailauth.mails import NOW, PLAIN, key, published, signed, verify
from tests.mailauth.zone import Zone


def only(data, zone=None, now=NOW):
    (result,) = verify(data, zone or published(key()), now)
    return result


def resigned(data=PLAIN, using=None, names=(b"from", b"to", b"subject"), **changes):
    """A message signed with other tags than `sign` would write; None leaves a tag out."""
    using = using or key()
    parsed = message.parse(data)
    tags = {
        "a": "rsa-sha256",
        "b": "",
        "bh": re.search(rb"bh=([^;]+)", dkim.sign(parsed, using, NOW))[1].decode(),
        "c": "relaxed/simple",
        "d": using.domain,
        "h": b":".join(names).decode(),
        "s": using.selector,
        "v": "1",
        **changes,
    }
    found = [(name.encode(), value.encode()) for name, value in tags.items() if value is not None]
    return dkim.complete(b"DKIM-Signature", found, parsed, names, using) + data


def problem(**changes):
    result = only(resigned(**changes))
    assert result.status is not Status.PASS
    return result.status, result.problem


@pytest.mark.parametrize("kind", ["rsa", "rsa1024", "ed25519"])
@pytest.mark.parametrize("head", Canon)
@pytest.mark.parametrize("body", Canon)
def test_what_we_sign_verifies(kind, head, body):
    result = only(signed(using=key(kind), canon=(head, body)), published(key(kind)))
    assert (result.status, result.domain, result.selector) == (Status.PASS, "example.org", "sel")


def test_the_baseline_of_these_tests_passes():
    assert only(resigned()).status is Status.PASS


def test_a_message_without_a_signature_has_none():
    assert only(PLAIN).status is Status.NONE


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n", b"no end", b" \t", b"\n\r\n", b"\r"])
@pytest.mark.parametrize("canon", Canon)
def test_odd_bodies_verify_as_signed(body, canon):
    head = PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert only(signed(head + body, canon=(canon, canon))).status is Status.PASS


@pytest.mark.parametrize("tag", ["v", "a", "b", "bh", "d", "h", "s"])
def test_without_a_required_tag_it_is_an_error(tag):
    data = resigned()
    field, _, rest = data.partition(b"\r\nFrom:")
    without = re.sub(rb"([\t :;])" + tag.encode() + rb"=[^;]*;?", rb"\1", field, count=1)
    assert without != field
    result = only(without + b"\r\nFrom:" + rest)
    assert (result.status, result.problem) == (Status.PERMERROR, Problem.MISSING_TAG)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"v": "2"}, Problem.VERSION),
        ({"a": "rsa-sha1"}, Problem.ALGORITHM),
        ({"a": "rsa-sha512"}, Problem.ALGORITHM),
        ({"c": "relaxed/nowsp"}, Problem.CANONICALISATION),
        ({"c": ""}, Problem.CANONICALISATION),
        ({"d": "com"}, Problem.DOMAIN),
        ({"d": "co.uk"}, Problem.REGISTRY),
        ({"d": "exa mple.org"}, Problem.DOMAIN),
        ({"d": "example..org"}, Problem.DOMAIN),
        ({"s": ""}, Problem.DOMAIN),
        ({"i": "@other.example"}, Problem.IDENTITY),
        ({"i": "ada@notexample.org"}, Problem.IDENTITY),
        ({"i": "example.org"}, Problem.IDENTITY),
        ({"q": "dns/other"}, Problem.QUERY),
        ({"names": (b"to", b"subject")}, Problem.FROM_UNSIGNED),
        ({"h": ""}, Problem.FROM_UNSIGNED),
        ({"x": str(NOW - 1)}, Problem.EXPIRED),
        ({"x": str(NOW)}, Problem.EXPIRED),
        ({"t": str(NOW + 50), "x": str(NOW + 50)}, Problem.TIMES),
        ({"t": str(NOW + 100_000)}, Problem.TIMES),
        ({"t": "soon"}, Problem.SYNTAX),
        ({"x": "-5"}, Problem.SYNTAX),
        ({"l": "-1"}, Problem.SYNTAX),
        ({"l": "1000000"}, Problem.LENGTH),
        ({"bh": "!!!!"}, Problem.SYNTAX),
        ({"n1": "x", "zz": "="}, None),
    ],
)
def test_a_tag_that_cannot_be_is_an_error(changes, wanted):
    result = only(resigned(**changes))
    assert (result.status, result.problem) == ((Status.PERMERROR, wanted) if wanted else (Status.PASS, None))


def test_a_doubled_tag_spoils_the_signature():
    field, _, rest = resigned().partition(b"\r\nFrom:")
    result = only(field + b"; d=example.org\r\nFrom:" + rest)
    assert (result.status, result.problem) == (Status.PERMERROR, Problem.SYNTAX)


def test_an_identity_below_the_domain_is_fine_unless_the_key_is_strict():
    below = resigned(i="ada@sub.example.org")
    assert only(below).status is Status.PASS
    strict = only(below, published(key(), extra="t=s"))
    assert (strict.status, strict.problem) == (Status.PERMERROR, Problem.IDENTITY)
    assert only(resigned(i="@example.org"), published(key(), extra="t=s")).status is Status.PASS


def test_a_testing_key_counts_as_no_signature():
    result = only(signed(), published(key(), extra="t=y:s"))
    assert (result.status, result.problem) == (Status.NEUTRAL, Problem.TESTING)


def test_a_length_vouches_for_no_more_than_it_covers():
    _, _, text = PLAIN.partition(b"\r\n\r\n")
    whole = resigned(l=str(len(text) - 2))
    assert only(whole).status is Status.PASS
    added = only(whole.removesuffix(b"\r\n") + b"Buy this!\r\n")
    assert (added.status, added.problem) == (Status.POLICY, Problem.PARTIAL)
    none_of_it = only(resigned(l="0", bh="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))
    assert none_of_it.problem is Problem.PARTIAL


def test_two_from_fields_are_not_vouched_for():
    result = only(b"From: bank@bank.example\r\n" + signed(names=[b"from", b"to"]))
    assert (result.status, result.problem) == (Status.POLICY, Problem.SEVERAL_FROM)


def test_a_header_added_to_a_guarded_one_breaks_our_signature():
    assert only(b"Subject: other\r\n" + signed()).status is Status.FAIL


def record(text):
    return Zone({"sel._domainkey.example.org": [("TXT", text if isinstance(text, bytes) else text.encode())]})


@pytest.mark.parametrize(
    ("zone", "status", "wanted"),
    [
        (Zone({}), Status.PERMERROR, Problem.NO_KEY),
        (Zone({"sel._domainkey.example.org": [("A", None)]}), Status.PERMERROR, Problem.NO_KEY),
        (Zone({"sel._domainkey.example.org": [("TIMEOUT", None)]}), Status.TEMPERROR, Problem.KEY_TEMPORARY),
        (record("v=DKIM1; p="), Status.PERMERROR, Problem.KEY),
        (record("v=DKIM2; " + key().record[10:]), Status.PERMERROR, Problem.KEY),
        (record("k=rsa; v=DKIM1; " + key().record[10:]), Status.PERMERROR, Problem.KEY),
        (record(key().record + "; p=AAAA"), Status.PERMERROR, Problem.KEY),
        (record(key().record + "; h=sha1"), Status.PERMERROR, Problem.KEY),
        (record(key().record + "; s=tlsrpt"), Status.PERMERROR, Problem.KEY),
        (record(key().record.replace("rsa", "dsa")), Status.PERMERROR, Problem.KEY),
        (record(key().record[:60]), Status.PERMERROR, Problem.KEY),
        (record(key("ed25519").record), Status.PERMERROR, Problem.KEY),
        (record(key().record + "; n=" + "x" * 65000), Status.PERMERROR, Problem.KEY),
        (record(b"\xff\xfe" * 300), Status.PERMERROR, Problem.KEY),
        (record("v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIWmlgix/84GJ+dfgjm7LTc9EPdfk"
                "ftlgiPpCq4/kbDAZmU0VvYKDljjleJ1dfvS+CGy9U/kk1tG3EeEvb82xAcCAwEAAQ=="),
         Status.POLICY, Problem.SHORT_KEY),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used(zone, status, wanted):
    result = only(signed(), zone)
    assert (result.status, result.problem) == (status, wanted)


def test_a_record_needs_no_version_and_takes_the_usual_extras():
    bare = key().record.removeprefix("v=DKIM1; ").replace("k=rsa; ", "")
    assert (
        only(signed(), record(f" {bare} ; h=sha1:sha256; s=*; t=; n=note; unknown=1;")).status is Status.PASS
    )


def test_of_several_key_records_the_right_one_is_found():
    name = key().record_name
    zone = Zone(
        {
            name: [
                ("TXT", b"v=DKIM1; p="),
                ("TXT", key("ed25519").record.encode()),
                ("TXT", key().record.encode()),
            ]
        }
    )
    assert only(signed(), zone).status is Status.PASS


def test_each_signature_has_its_own_result_and_ten_are_looked_at():
    data = PLAIN
    for _ in range(12):
        data = signed(data, names=[b"from"])
    data = data.replace(b" b=", b" b=AAAA", 1)
    results = verify(data, published(key()))
    assert [result.status for result in results] == [Status.FAIL] + [Status.PASS] * 9


def test_two_algorithms_on_one_message_both_count():
    both = signed(signed(using=key("ed25519", selector="ed")))
    results = verify(both, published(key(), key("ed25519", selector="ed")))
    assert [(result.status, result.algorithm) for result in results] == [
        (Status.PASS, "rsa-sha256"),
        (Status.PASS, "ed25519-sha256"),
    ]


def test_an_international_domain_is_asked_for_in_ascii():
    using = SigningKey.generate(Algorithm.ED25519, "xn--bcher-kva.example", "sel")
    data = resigned(using=using, a="ed25519-sha256", d="bücher.example")
    assert only(data, published(using)).domain == "xn--bcher-kva.example"
    assert only(data, published(using)).status is Status.PASS


def test_a_large_body_is_hashed_in_a_thread_with_the_same_result():
    data = PLAIN + b"A line of text that is repeated.\r\n" * 10_000
    assert only(signed(data)).status is Status.PASS


def test_threads_sign_with_one_key_at_the_same_time():
    made = []
    threads = [threading.Thread(target=lambda: made.append(signed())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert all(only(data).status is Status.PASS for data in made)


def test_keys_survive_being_stored():
    for kind in ("rsa", "ed25519"):
        again = SigningKey.from_pem(key(kind).to_pem(), "example.org", "sel")
        assert again.record == key(kind).record
        assert read_record(again.record.encode()).algorithm is again.algorithm
    with pytest.raises(ValueError):  # whichever the loader found
        SigningKey.from_pem(b"-----BEGIN NOTHING-----", "example.org", "sel")


def test_lines_of_our_fields_are_short():
    names = tuple(f"x-field-number-{number}".encode() for number in range(30))
    for data in (signed(), signed(names=(b"from", *names))):
        field = data.partition(b"\r\nFrom:")[0]
        assert max(map(len, field.split(b"\r\n"))) <= 78
        assert only(data).status is Status.PASS


RFC_8463 = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)


def test_the_example_of_rfc_8463_appendix_a():
    text = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    zone = Zone({"brisbane._domainkey.football.example.com": [("TXT", text)]})
    assert only(RFC_8463, zone).status is Status.PASS
