"""core.addresses"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.addresses import (
    Address,
    AddressError,
    is_claimable_local_part,
    parse_address,
    quote_local_part,
    to_ascii_domain,
)

LONGEST_DOMAIN = ".".join(["a" * 63] * 3 + ["b" * 57, "org"])

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
domains = st.builds(
    lambda parts, last: ".".join([*parts, last]), st.lists(labels, min_size=1), st.just("org")
)
local_parts = st.text(st.characters(exclude_categories=("Cs",)).filter(str.isprintable), min_size=1).filter(
    lambda text: len(text.encode()) <= 64
)


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("ada@example.org", "ada", "example.org"),
        ("  ada@example.org ", "ada", "example.org"),
        ("Ada@Example.ORG", "Ada", "example.org"),
        ("ada@example.org.", "ada", "example.org"),
        ("a.d.a+x=y@example.org", "a.d.a+x=y", "example.org"),
        ("!#$%&'*+/=?^_`{|}~-@example.org", "!#$%&'*+/=?^_`{|}~-", "example.org"),
        ('"ada"@example.org', "ada", "example.org"),
        ('"a b"@example.org', "a b", "example.org"),
        ('"a@b"@example.org', "a@b", "example.org"),
        (r'"a\"b\\c"@example.org', r'a"b\c', "example.org"),
        (r'"\a\d\a"@example.org', "ada", "example.org"),
        ('".ada."@example.org', ".ada.", "example.org"),
        ("ada@bücher.example", "ada", "xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada", "xn--bcher-kva.example"),
        ("ada@ｅｘａｍｐｌｅ.org", "ada", "example.org"),
        ("ada@example。org", "ada", "example.org"),
        ("ada@1.example.org", "ada", "1.example.org"),
        ("jörg@example.org", "jörg", "example.org"),
        ("a" * 64 + "@example.org", "a" * 64, "example.org"),
        ("a@" + LONGEST_DOMAIN, "a", LONGEST_DOMAIN),
    ],
)
def test_an_address_is_read_into_its_one_form(text, local_part, domain):
    assert parse_address(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    ("domain", "why"),
    [
        ("a" * 64 + ".org", "too long"),
        (".".join(["a" * 63] * 4), "too long"),
        ("example", "not complete"),
        ("example..org", "not complete"),
        ("exam_ple.org", "a character or a hyphen"),
        ("exam ple.org", "a character or a hyphen"),
        ("-example.org", "a character or a hyphen"),
        ("exa\u2488mple.org", "a character or a hyphen"),
        ("[192.0.2.1]", "bare IP"),
        ("192.0.2.1", "bare IP"),
    ],
)
def test_what_is_wrong_with_a_domain_is_said(domain, why):
    with pytest.raises(AddressError, match=why):
        parse_address(f"ada@{domain}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.org",
        "ada@localhost",
        "ada@example",
        "ada@example..org",
        "ada@.example.org",
        "ada@example.org..",
        "ada@-example.org",
        "ada@example-.org",
        "ada@exa_mple.org",
        "ada@*.example.org",
        "ada@[192.0.2.1]",
        "ada@192.0.2.1",
        "ada@example.123",
        "ada@example.org:25",
        "ada@example.org/x",
        "ada@ example.org",
        "ada@example .org",
        "ada@\u00a0example.org",
        "ada@example.org\u2028",
        "ada @example.org",
        "a da@example.org",
        ".ada@example.org",
        "ada.@example.org",
        "a..da@example.org",
        "ada@home@example.org",
        "a,b@example.org",
        "a:b@example.org",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        "ada@example.org, b@example.org",
        '"ada@example.org',
        'ada"@example.org',
        'a"d"a@example.org',
        '"a"d"a"@example.org',
        '"ada\\"@example.org',
        '""@example.org',
        '"a"@b@example.org',
        "ada\r\nBcc: x@evil.example@example.org",
        "ada@example.org\nCc: y@z.example",
        "ada\x00@example.org",
        "ada\x7f@example.org",
        "ada\x85@example.org",
        "ada\u2028@example.org",
        "a\u202eda@example.org",
        "ada\ud800@example.org",
        "ada@exam\ud800ple.org",
        "ada@exa\u2028mple.org",
        "ada@exam\u00adple.org",
        "\u200bada@example.org",
        "ada@xn--.example",
        "ada@☃️\u200d.example",
        "a" * 65 + "@example.org",
        "ü" * 33 + "@example.org",
        "ada@" + "a" * 64 + ".org",
        "ada@" + "b." + LONGEST_DOMAIN,
        "ada@" + "ü" * 60 + ".org",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text):
    with pytest.raises(AddressError) as caught:
        parse_address(text)

    assert str(caught.value).endswith(".")


@given(st.builds(Address, local_parts, domains).filter(lambda address: len(address.domain) <= 253))
@example(Address('a"b\\c', "example.org"))
@example(Address("..", "example.org"))
def test_an_address_survives_being_written_and_read(address):
    assert parse_address(address.text) == address


@given(st.text())
def test_any_text_is_an_address_or_an_address_error(text):
    try:
        parsed = parse_address(text)
    except AddressError:
        return
    assert parse_address(parsed.text) == parsed
    assert len(parsed.text.splitlines()) == 1


@pytest.mark.parametrize(
    "spelling", ["ADA@example.org", "ada@EXAMPLE.org", '"ada"@example.org.', "Ada@ｅｘａｍｐｌｅ.org"]
)
def test_two_spellings_of_a_mailbox_have_one_key(spelling):
    assert parse_address(spelling).key == parse_address("ada@example.org").key


def test_composed_and_decomposed_letters_have_one_key():
    assert parse_address("jo\u0308rg@example.org").key == parse_address("jörg@example.org").key


def test_other_mailboxes_have_other_keys():
    keys = {parse_address(text).key for text in ("ada@example.org", "ada+x@example.org", "a.da@example.org")}

    assert len(keys) == 3


@pytest.mark.parametrize(
    ("local_part", "written"),
    [("ada", "ada"), ("a b", '"a b"'), (".ada", '".ada"'), ('a"b', r'"a\"b"'), ("a\\b", r'"a\\b"')],
)
def test_a_local_part_is_quoted_only_where_it_must_be(local_part, written):
    assert quote_local_part(local_part) == written


@pytest.mark.parametrize(("text", "needed"), [("ada@bücher.example", False), ("jörg@example.org", True)])
def test_only_a_local_part_beyond_ascii_needs_smtputf8(text, needed):
    assert parse_address(text).needs_smtputf8 is needed


@pytest.mark.parametrize("text", ["", ".", "org", "a b.org", "1.2.3.4", "[::1]", "exam ple.org", "a" * 254])
def test_what_is_no_domain_is_refused(text):
    with pytest.raises(AddressError):
        to_ascii_domain(text)


@pytest.mark.parametrize("local_part", ["ada", "a-b", "a.b.c", "0x", "a" * 64])
def test_a_plain_launchpad_name_can_be_claimed(local_part):
    assert is_claimable_local_part(local_part)


@pytest.mark.parametrize(
    "local_part", ["", "ada+lab", "+", ".ada", "ada.", "a..b", "Ada", "jörg", "a b", "a_b", "ada\n", "a" * 65]
)
def test_a_name_that_takes_a_sub_address_or_is_no_local_part_cannot_be_claimed(local_part):
    assert not is_claimable_local_part(local_part)
