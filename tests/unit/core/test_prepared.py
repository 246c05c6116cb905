"""core.prepared"""

from core.models import Person
from core.prepared import Prepared
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
