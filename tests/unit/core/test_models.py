"""core.models; that the migrations make the same tables is tried in test_database"""

import pytest

from core.models import Alias, Person, by_id
from core.routing import Hold
from tests.support.arrange import make_alias, make_domain, make_person


def test_an_alias_is_written_as_an_address(db, now):
    make_alias(make_person(now), make_domain(now), now)

    assert Alias.get().text == "ada@proj.example"


def test_a_row_is_found_by_its_id(db, now):
    person = make_person(now)

    assert by_id(Person, person.id) == person


@pytest.mark.parametrize("number", [0, -1, 999_999, 2**31, 2**63, 2**100])
def test_an_id_that_no_row_has_finds_nothing(db, now, number):
    make_person(now)

    assert by_id(Person, number) is None


def test_what_holds_an_address_stands_before_what_does_not():
    """In the alphabet: `core.person_search` finds those that are held by that, with the index."""
    assert all(hold < Hold.NONE for hold in Hold if hold is not Hold.NONE)
