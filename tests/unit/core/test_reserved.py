"""core.reserved"""

import pytest

from core.reserved import ROLE_NAMES, WORDS, NameClass, brands, class_of, is_reserved, looks_like


@pytest.mark.parametrize(
    "name",
    [
        *("postmaster", "abuse", "admin", "administrator", "webmaster", "hostmaster", "security", "root"),
        *("noreply", "mailer-daemon", "bounce", "dmarc", "tlsrpt", "mta-sts"),
    ],
)
def test_names_of_office_are_reserved(name):
    assert is_reserved(name)


@pytest.mark.parametrize("name", sorted(ROLE_NAMES))
def test_names_of_rfc_2142_are_reserved(name):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["srs0", "srs1", "srs0=hash=tt=example.org=ada", "srs1+x", "srs0-x"])
def test_names_of_rewritten_senders_are_reserved(name):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["ada", "srs", "srs2", "srs0x", "rooty", "admin2", "abuse.ada"])
def test_other_names_are_free(name):
    assert not is_reserved(name)


def test_admins_may_keep_more_names_back():
    assert is_reserved("board", frozenset({"board"}))


def test_some_150_words_each_in_one_class():
    words = [word for each in WORDS.values() for word in each]

    assert 140 <= len(words) == len(set(words)) <= 180
    assert all(word == word.lower() and class_of(word) in NameClass for word in words)


def test_a_domain_makes_its_own_name_a_brand():
    assert brands(["ubuntu.com", "kubuntu.org"]) == {"ubuntu", "kubuntu"}


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("p0stmaster", "postmaster"),
        ("postrnaster", "postmaster"),
        ("post-master", "postmaster"),
        ("adm1n", "admin"),
        ("admln", "admin"),
        ("admin2", "admin"),
        ("admins", "admin"),
        ("root-", "root"),
        ("r00t", "root"),
        ("web.master", "webmaster"),
        ("securlty", "security"),
        ("supp0rt", "support"),
        ("suport", "support"),
        ("he1pdesk", "helpdesk"),
        ("vvebmaster", "webmaster"),
    ],
)
def test_spellings_that_a_reader_takes_for_a_reserved_name(name, like):
    assert not is_reserved(name)
    assert looks_like(name) == like


@pytest.mark.parametrize(
    "name", ["ada", "grace", "rooty", "staffan", "alice", "abuse.ada", "postmaster", "lars", ""]
)
def test_other_names_look_like_none(name):
    assert looks_like(name) is None


def test_names_of_admins_have_look_alikes_too():
    assert looks_like("b0ardx", ["boardx"]) == "boardx"
    assert looks_like("al", ["a1"]) is None, "short words look like too much"
