"""core.prepared"""

from core.models import Person
from core.prepared import MOST_KEPT, Prepared
from tests.support.arrange import make_person


def test_each_asking_brings_its_own_values(db, now):
    ask = Prepared(lambda value: Person.select().where(Person.launchpad_name == value("name")))
    ada, grace = make_person(now, "ada"), make_person(now, "grace")

    assert [list(ask(name=name)) for name in ("ada", "grace", "nobody")] == [[ada], [grace], []]


def test_it_is_written_once(db, now):
    written = []

    def build(value):
        written.append(value)
        return Person.select().where(Person.launchpad_name == value("name"))

    ask = Prepared(build)
    make_person(now, "ada")

    assert [person.launchpad_name for _ in range(3) for person in ask(name="ada")] == ["ada"] * 3
    assert len(written) == 1


def test_a_list_is_written_once_for_each_length_and_anew_when_it_is_long(db, now):
    written = []

    def build(value):
        written.append(value)
        return Person.select().where(Person.launchpad_name.in_(value.each("names")))

    ask = Prepared(build)
    ada, grace = make_person(now, "ada"), make_person(now, "grace")

    asked = [["ada"], ["grace"], ["ada", "grace"], [], ["ada"]]
    assert [set(ask(names=names)) for names in asked] == [{ada}, {grace}, {ada, grace}, set(), {ada}]
    assert len(written) == 3
    for _ in range(2):
        assert set(ask(names=["ada", *map(str, range(MOST_KEPT))])) == {ada}
    assert len(written) == 5
