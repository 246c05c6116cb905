"""core.models; that the migrations make the same tables is tried in test_database"""

import pytest

from core.models import Alias, Person, by_id
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
