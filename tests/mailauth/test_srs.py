"""Rewritten senders lead back, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth.srs import Srs, SrsError, SrsExpiredError, SrsForgedError, SrsSyntaxError, is_srs

DAY = 86_400
NOW = 20_700.5 * DAY
SRS = Srs("srs.proj.example", [b"first secret", b"older secret"])

local_parts = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="\x7f"), min_size=1
)
domains = st.from_regex(r"([a-z0-9]{1,10}\.){1,4}[a-z]{2,8}", fullmatch=True)


@given(local_parts, domains, st.floats(0, 4e9))
def test_every_sender_leads_back_to_itself(local_part, domain, now):
    rewritten = SRS.forward(local_part, domain, now)
    if is_srs(local_part):
        assert rewritten.startswith("SRS")
    else:
        assert SRS.reverse(rewritten, now) == (local_part, domain)


@given(local_parts.filter(lambda text: not is_srs(text)), domains, domains)
def test_a_second_forwarder_leads_back_to_the_first(local_part, domain, first):
    inner = Srs(first, [b"theirs"]).forward(local_part, domain, NOW)
    outer = SRS.forward(inner, first, NOW)
    assert outer.startswith("SRS1=")
    assert SRS.reverse(outer, NOW) == (inner, first)


@given(local_parts.filter(lambda text: not is_srs(text)), domains)
def test_a_third_forwarder_makes_the_address_no_longer(local_part, domain):
    inner = Srs("one.example", [b"1"]).forward(local_part, domain, NOW)
    middle = Srs("two.example", [b"2"]).forward(inner, "one.example", NOW)
    outer = SRS.forward(middle, "two.example", NOW)
    assert len(outer) == len(middle)
    assert SRS.reverse(outer, NOW) == (inner, "one.example")


@given(st.text(max_size=80))
def test_nothing_else_leads_anywhere(text):
    with pytest.raises(SrsError):
        SRS.reverse(text, NOW)


@given(st.text(max_size=60))
def test_whatever_follows_the_prefix_is_refused(text):
    for prefix in ("SRS0=", "SRS1=", "srs0+", "SRS1-"):
        with pytest.raises(SrsError):
            SRS.reverse(prefix + text, NOW)


@pytest.mark.parametrize("fold", [str, str.lower, str.upper], ids=["as it is", "lower", "upper"])
def test_b11_mailers_that_fold_case_break_nothing(fold):
    """B11, B12: the hash is compared without regard to case."""
    rewritten = fold(SRS.forward("Bob.Smith", "Example.com", NOW))
    local_part, domain = SRS.reverse(rewritten, NOW)
    assert (local_part.lower(), domain.lower()) == ("bob.smith", "example.com")


@pytest.mark.parametrize("separator", ["+", "-"])
def test_b11_other_first_separators_of_an_srs1_address(separator):
    """B11: some mailers change the first separator."""
    outer = SRS.forward("SRS0=abcd=tt=example.com=bob", "fwd.example.net", NOW)
    assert SRS.reverse("SRS1" + separator + outer[5:], NOW) == (
        "SRS0=abcd=tt=example.com=bob",
        "fwd.example.net",
    )
    assert SRS.reverse("srs1" + separator + outer[5:].lower(), NOW)[1] == "fwd.example.net"


def test_b11_an_srs1_address_with_a_lost_separator_is_refused():
    """B11: `==` collapsed to `=` must not become an address with a hash for a domain."""
    outer = SRS.forward("SRS0=abcd=tt=example.com=bob", "fwd.example.net", NOW)
    with pytest.raises(SrsError):
        SRS.reverse(outer.replace("==", "="), NOW)


def test_b11_only_a_domain_name_comes_out():
    """B11: a hash that is right for something that is no domain leads nowhere."""
    for domain in ("hash", "-a.example", "a..example", "a b.example", "example.com\n"):
        rewritten = SRS.forward("bob", domain, NOW)
        with pytest.raises(SrsSyntaxError):
            SRS.reverse(rewritten, NOW)


def test_the_separator_of_the_first_forwarder_is_kept():
    outer = SRS.forward("SRS0+Ab/+cd=TT=example.com=bob", "fwd.example.net", NOW)
    assert SRS.reverse(outer, NOW) == ("SRS0+Ab/+cd=TT=example.com=bob", "fwd.example.net")


def test_an_address_of_ours_stays_as_it_is():
    ours = SRS.forward("bob", "example.com", NOW)
    assert SRS.forward(ours, "SRS.proj.example", NOW) == ours


@pytest.mark.parametrize("days", [0, 1, 20, 21])
def test_b70_an_address_leads_back_for_its_validity(days):
    """B70: late bounces come days later."""
    assert SRS.reverse(SRS.forward("bob", "example.com", NOW), NOW + days * DAY) == ("bob", "example.com")


@pytest.mark.parametrize("days", [22, 100, 512, 1022, -2])
def test_b70_an_address_expires(days):
    """B70: an address is not for ever."""
    with pytest.raises(SrsExpiredError):
        SRS.reverse(SRS.forward("bob", "example.com", NOW), NOW + days * DAY)


@pytest.mark.parametrize("day", [1022, 1023, 1024, 1025, 2047])
def test_b70_the_day_counter_wraps_around(day):
    """B70: yesterday and tomorrow around the wrap of the 1024-day counter."""
    made = SRS.forward("bob", "example.com", day * DAY)
    assert SRS.reverse(made, (day + 3) * DAY) == ("bob", "example.com")
    assert SRS.reverse(made, (day - 1) * DAY) == ("bob", "example.com")


def test_b70_the_hash_must_be_whole_and_right():
    """B70: hashes of length 0 and 1, and with one character changed."""
    _, given_hash, rest = SRS.forward("bob", "example.com", NOW).split("=", 2)
    changed = ("A" if given_hash[0] != "A" else "B") + given_hash[1:]
    for wrong in ("", given_hash[0], given_hash[:4], changed, given_hash + "A"):
        with pytest.raises(SrsError):
            SRS.reverse(f"SRS0={wrong}={rest}", NOW)


def test_b70_an_older_secret_still_verifies():
    """B70: bounces in flight survive a rotation; a secret that is gone verifies nothing."""
    rotated = Srs("srs.proj.example", [b"newest", b"first secret"])
    assert rotated.reverse(SRS.forward("bob", "example.com", NOW), NOW) == ("bob", "example.com")
    with pytest.raises(SrsForgedError):
        Srs("srs.proj.example", [b"newest"]).reverse(SRS.forward("bob", "example.com", NOW), NOW)


def test_a_validity_longer_than_the_counter_makes_no_sense():
    with pytest.raises(ValueError, match="1024"):
        Srs("srs.proj.example", [b"x"], max_age_days=600)
