"""core.first_admin"""

import pytest

from core.audit import OPERATOR, first_fault
from core.first_admin import LASTS, LinkRefused, is_good, make_link, use_link
from core.models import AdminLink, AuditEntry, RoleGrant
from core.people import ban
from core.roles import Role, authority_of
from core.secrets import token_hash
from tests.support.arrange import ISSUER, later, make_person
from tests.support.threads import at_once


@pytest.fixture
def ada(db, now):
    return make_person(now)


def test_the_link_makes_an_admin_once(ada, now):
    token = make_link(now)
    assert is_good(token, now)
    use_link(ada.id, token, ISSUER, now)

    assert authority_of(ada, [], now).roles == {Role.PROJECT_ADMIN}
    assert not is_good(token, now)
    with pytest.raises(LinkRefused):
        use_link(make_person(now, "eve").id, token, ISSUER, now)
    verbs = [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]
    assert verbs == ["admin-link-made", "admin-link-used", "role-granted"]
    assert first_fault() is None


def test_only_a_hash_is_stored(ada, now):
    token = make_link(now)

    assert AdminLink.get().token_hash == token_hash(token)
    assert token not in str(list(AdminLink.select().dicts()))


def test_it_works_for_a_day(ada, now):
    token = make_link(now)

    assert is_good(token, later(now + LASTS, seconds=-1))
    assert not is_good(token, now + LASTS)
    with pytest.raises(LinkRefused):
        use_link(ada.id, token, ISSUER, now + LASTS)
    assert not RoleGrant.select().exists()


def test_a_newer_link_takes_the_place_of_the_older(ada, now):
    old, new = make_link(now), make_link(now)

    assert [is_good(old, now), is_good(new, now)] == [False, True]


@pytest.mark.parametrize("token", ["", "x", "ä" * 40, "\x00"])
def test_other_words_are_no_link(ada, now, token):
    make_link(now)
    with pytest.raises(LinkRefused):
        use_link(ada.id, token, ISSUER, now)


def test_nobody_else_becomes_one(ada, now):
    token = make_link(now)
    with pytest.raises(LinkRefused):
        use_link(ada.id, token, "https://another.example/", now)
    ban(OPERATOR, ada, now)
    with pytest.raises(LinkRefused):
        use_link(ada.id, token, ISSUER, now)

    assert not RoleGrant.select().exists()
    assert is_good(token, now)


def test_two_at_once_make_one_admin(ada, now):
    eve, token = make_person(now, "eve"), make_link(now)
    results = at_once(
        lambda: use_link(ada.id, token, ISSUER, now), lambda: use_link(eve.id, token, ISSUER, now)
    )

    assert sorted(map(type, results), key=str) == sorted([type(None), LinkRefused], key=str)
    assert RoleGrant.select().count() == 1
