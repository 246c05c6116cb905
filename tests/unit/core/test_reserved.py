"""core.reserved"""

import pytest

from core.reserved import ROLE_NAMES, is_reserved


@pytest.mark.parametrize(
    "name",
    [
        *("postmaster", "abuse", "admin", "administrator", "webmaster", "hostmaster", "security", "root"),
        *("noreply", "mailer-daemon"),
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
