"""The admins' pages in Japanese have no English left, as those of `test_language`."""

from collections.abc import Callable

import pytest

from core.models import Alias, AuditEntry, AuditSubject, Person
from core.reserved import WORDS
from tests.app.admins import Admin
from tests.app.owner import Owner
from tests.app.test_language import english_in, is_page, language_of
from tests.app.test_pages_everywhere import ask_for_a_waiver
from tests.support.portal import Portal

PAGES = [
    *("/admin", "/admin/waivers", "/admin/waivers/{waiver}", "/admin/people", "/admin/people?q={name}"),
    *("/admin/people/{person}", "/admin/people?state=all", "/admin/names", "/admin/names/look-alikes"),
    *("/admin/held", "/admin/freed-names", "/admin/failing", "/admin/bulk", "/admin/jobs", "/admin/roles"),
    *(
        "/admin/roles?who={name}",
        "/admin/roles?who=nobody",
        "/admin/audit",
        "/admin/audit/1",
        "/admin/lookup",
    ),
    *("/admin/lookup?address={name}@ubuntu.com", "/admin/lookup?address=nobody@ubuntu.com"),
    *(
        "/admin/lookup?address=postmaster@ubuntu.com",
        "/admin/lookup?address=x",
        "/admin/lookup?address=a@b.org",
    ),
    "/admin/role-addresses",
    *("/admin/addresses/{alias}/move", "/admin/addresses/{alias}/move?to=nobody"),
]
CODES = """
    RFC DNS ADMINS srs operator verify head waypost admin grant-team audit person alias postmaster nobody
    Waypost Person ada domain role waiver recipient grant identity
""".split()
"""Beside names: commands, settings, and codes that admins type."""


def names_there() -> set[str]:
    """What is not ours to translate: names, what the owner wrote, and the names that are kept back."""
    own = {
        str(name)
        for person in Person.select()
        for name in (person.launchpad_name, person.display_name)
        if name
    }
    return own | {"I am also known as treasure-chest."} | set().union(*WORDS.values())


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_no_page_of_the_admins_has_english_left(
    portal: Portal, owner: Owner, new_admin: Callable[..., Admin], htmx: bool
) -> None:
    waiver = ask_for_a_waiver(owner)
    admin = new_admin()
    admin.client.http.headers["Accept-Language"] = "ja"
    own = {"waiver": waiver, "person": owner.person.id, "name": owner.person.launchpad_name}
    own["alias"] = Alias.get(Alias.person == owner.person).id
    names = names_there()
    names |= {entry.verb for entry in AuditEntry.select(AuditEntry.verb).distinct()}
    names |= {subject.name for subject in AuditSubject.select(AuditSubject.name).distinct()}
    found = {}
    for path in (each.format(**own) for each in PAGES):
        answer = admin.client.get(path, on="/admin" if htmx else "")
        assert answer.status in (200, 422), path
        assert is_page(answer), path
        if answer.is_whole_page:
            assert language_of(answer) == "ja"
        if english := english_in(answer.page, *names) - set(CODES):
            found[path] = english

    assert found == {}


FORMS = {
    "/admin/names": [{"name": "a b"}, {"name": "security"}, {"name": ""}],
    "/admin/bulk": [{}, {"action": "check", "names": "nobody-at-all"}],
    "/admin/waivers/{waiver}/refuse": [{"answer": ""}],
    "/admin/waivers/{waiver}/grant": [{"until": "soon"}],
    "/admin/addresses/{alias}/end": [{}],
    "/admin/addresses/{alias}/hold": [{}],
    "/admin/addresses/{alias}/lift": [{}],
    "/admin/addresses/{alias}/release": [{"confirm": "x"}],
}


@pytest.mark.parametrize("path", FORMS)
def test_no_answer_to_a_form_of_the_admins_has_english_left(
    portal: Portal, owner: Owner, new_admin: Callable[..., Admin], path: str
) -> None:
    waiver = ask_for_a_waiver(owner)
    admin = new_admin()
    admin.client.http.headers["Accept-Language"] = "ja"
    path = path.format(waiver=waiver, alias=owner.alias.id)
    names = names_there()
    for fields in FORMS[next(one for one in FORMS if one.split("/")[2] == path.split("/")[2])]:
        answer = admin.client.follow(admin.client.post(path, fields))
        assert english_in(answer.page, *names) - set(CODES) == set(), fields
