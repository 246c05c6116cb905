"""The language of the pages: who chooses it, what the headers say, and that Japanese has no English left."""

import re
from collections.abc import Callable, Iterator

import pytest

from app.public.routes import HELP
from core.database import utc_now
from core.models import Alias, Person, Recipient
from core.routing import Entitlement, Switch
from devtools.accounts import Account
from tests.app.owner import Owner
from tests.app.test_pages_everywhere import SECOND, addresses
from tests.support.page import Element, faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

FRONT = {"en": "Your address in the project", "ja": "プロジェクトのアドレス"}
MakePerson = Callable[..., Account]


def language_of(answer: Answer) -> str:
    """The language that a page says it is in; its heading must be in it."""
    language = answer.page.one("html")["lang"]
    assert answer.header("Content-Language") == language
    return language


# -- who chooses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP", "ja"),
        ("JA", "ja"),
        ("fr, ja;q=0.8, en;q=0.5", "ja"),
        ("en-GB,en;q=0.9,ja;q=0.8", "en"),
        ("ja;q=0, en", "en"),
        ("fr-FR", "en"),
        ("*", "en"),
        ("ja;q=x;;,", "en"),
    ],
)
def test_the_browser_says_which_language_comes_first(client: Client, asked: str, language: str) -> None:
    answer = client.get("/", Accept_Language=asked)

    assert language_of(answer) == language
    assert answer.page.one("h1").text == FRONT[language]
    assert {"Accept-Language", "Cookie"} <= set(answer.header("Vary").split(", "))


def test_the_footer_changes_the_language_without_an_account(client: Client) -> None:
    client.get("/help")
    there = client.post("/language", {"language": "ja", "page": "/help"})

    assert (there.status, there.location) == (303, "/help")
    page = client.follow(there)
    assert language_of(page) == "ja"
    button = page.page.one("button", name="language")
    assert (button["value"], button["lang"], button.text) == ("en", "en", "English")
    assert language_of(client.get("/", Accept_Language="en")) == "ja"
    client.post("/language", {"language": "en"})
    assert language_of(client.get("/", Accept_Language="ja")) == "en"


@pytest.mark.parametrize(
    "path", ["/", "/help", "/help/spam", "/privacy", "/d/ubuntu.com", "/login?next=/home", "/nowhere"]
)
def test_every_page_offers_the_other_language(client: Client, path: str) -> None:
    page = client.get(path).page
    form = page.one("form", action="/language")

    fields = {one["name"]: one["value"] for one in form.all("input")}
    assert form.one("button", name="language").text == "日本語"
    assert fields["page"] == ("" if path == "/nowhere" else path)
    answer = client.post("/language", {**fields, "language": "ja"})
    assert answer.location == (fields["page"] or "/")
    assert language_of(client.get(path)) == "ja"


@pytest.mark.parametrize(
    "page", ["//evil.example", "https://evil.example/", "/logout", "/nowhere", "/\\evil"]
)
def test_the_choice_leads_nowhere_else(client: Client, page: str) -> None:
    assert client.post("/language", {"language": "ja", "page": page}).location == "/"


@pytest.mark.parametrize("language", ["", "xx", "ja-JP", "../ja", "ja\x00"])
def test_a_language_that_is_not_there_changes_nothing(client: Client, language: str) -> None:
    assert client.post("/language", {"language": language}).status == 400
    assert language_of(client.get("/")) == "en"


def test_a_choice_before_the_sign_in_stays_and_mails_follow_it(
    portal: Portal, client: Client, member: Account
) -> None:
    client.get("/", Accept_Language="en")
    client.post("/language", {"language": "ja"})
    home = client.sign_in(member.name)

    assert language_of(home) == "ja"
    person = Person.get(Person.launchpad_name == member.name)
    assert (person.language, person.language_chosen) == ("ja", False)


def test_mails_follow_the_browser_when_nobody_chose(
    portal: Portal, client: Client, new_person: MakePerson
) -> None:
    """Else somebody reads Japanese pages and gets English mails, for the provider said English."""
    client.http.headers["Accept-Language"] = "ja"
    account = new_person("ubuntumembers", language="en")
    client.sign_in(account.name)

    assert Person.get(Person.launchpad_name == account.name).language == "ja"


def test_what_the_account_says_counts_in_every_browser(
    portal: Portal, owner: Owner, new_client: Callable[[], Client], member: Account
) -> None:
    owner.client.post("/language", {"language": "ja", "page": "/account"})
    person = Person.get_by_id(owner.person.id)
    assert (person.language, person.language_chosen) == ("ja", True)

    other = new_client()
    other.http.headers["Accept-Language"] = "en"
    other.post("/language", {"language": "en"})
    assert language_of(other.sign_in(member.name)) == "ja"
    assert Person.get_by_id(owner.person.id).language == "ja"


def test_signing_out_keeps_the_language(owner: Owner) -> None:
    owner.client.post("/account/language", {"language": "ja"})
    left = owner.client.follow(owner.client.post("/logout"))

    assert language_of(left) == "ja"
    assert not owner.client.is_signed_in


def test_a_time_is_written_as_japanese_does(owner: Owner) -> None:
    owner.client.http.headers["Accept-Language"] = "ja"
    words = [one.text for one in owner.client.get(owner.path).page.one("ol", class_="history").all("time")]

    assert words
    assert all(re.fullmatch(r"\d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d UTC", one) for one in words)


@pytest.mark.parametrize("count", [1, 2])
def test_japanese_has_one_form_for_one_and_many(owner: Owner, count: int) -> None:
    owner.client.http.headers["Accept-Language"] = "ja"
    counts = {one.text for one in owner.client.get("/account").page.all("span", class_="own__count")}

    assert counts
    assert all(re.fullmatch(r"\d+ 件", one) for one in counts)


# -- no English is left ----------------------------------------------------------------------------

SPOKEN = ("aria-label", "title", "alt", "placeholder")
NAMES = """
    Launchpad Ubuntu One JSON UTC Matrix DMARC Authentication-Results From Reply-To OpenPGP S/MIME Gmail
    Web IP ID MiB security Project ubuntumembers
""".split()
"""Words that are the same in Japanese: names, and terms of mail."""
CODE = re.compile(
    r"""[^\s「」（）、。]*@[^\s「」（）、。]* | [\w-]+(\.[\w-]+)+ | [\#/]\S*
    | [a-z]+(-[a-z]+)+ | \b(?=[a-f]*\d)[0-9a-f]{12,}\b""",
    re.VERBOSE,
)
"""Addresses, hosts, codes, and names of teams."""


def words_of(page: Element) -> Iterator[str]:
    """Yield what a page says: its text, and what a screen reader says of what has none."""
    for one in page.elements():
        if one.get("lang") == "en" and one.tag != "html":
            continue
        if one.tag not in ("script", "style", "code", "q"):
            yield "".join(map(_own_text, one.content))
        yield from (one[name] for name in SPOKEN if one.get(name))


def _own_text(part: Element | str) -> str:
    """A text itself; nothing for a place where a word may break, and an end for what is in the middle."""
    if isinstance(part, str):
        return part
    return "" if part.tag == "wbr" else "\n"


def english_in(page: Element, *names: str) -> set[str]:
    """Return the Latin words of a page that are no names, addresses or codes. names: of people and teams."""
    found = set()
    longest_first = sorted(map(re.escape, filter(None, names)), key=len, reverse=True)
    name = re.compile(rf"(?<![\w-])(?:{'|'.join(longest_first) or '(?!)'})(?![\w-])")
    for text in words_of(page):
        rest = name.sub(" ", re.sub(r"\w+://\S+", " ", text))
        rest = CODE.sub(" ", rest)
        found |= {word for word in re.findall(r"[A-Za-z/][A-Za-z/-]+", rest) if word not in NAMES}
    return found


@pytest.fixture
def japanese(client: Client, new_person: MakePerson) -> Owner:
    """Somebody who reads Japanese, with an address that leads to two mailboxes."""
    client.http.headers["Accept-Language"] = "ja"
    owner = Owner(client, new_person("ubuntumembers", display_name="木村 花"))
    owner.add(SECOND)
    return owner


def is_page(answer: Answer) -> bool:
    return answer.header("Content-Type").startswith("text/html")


def names_of(owner: Owner) -> list[str]:
    """What is not ours to translate: the person's own words, and names."""
    return [
        str(owner.person.launchpad_name),
        "I am also known as treasure-chest.",
        "name+anything",
        "waypost init --link",
    ]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_no_page_has_english_left(portal: Portal, japanese: Owner, htmx: bool) -> None:
    """Every address that there is, with one's own ids and with odd ones."""
    found = {}
    for address, endpoint in addresses(portal, japanese, "GET").items():
        answer = japanese.client.get(address, on="/home" if htmx else "")
        if answer.location or endpoint == "account.export" or not is_page(answer):
            continue
        if answer.is_whole_page:
            assert language_of(answer) == "ja"
            assert faults_of(answer.page) == []
        if english := english_in(answer.page, *names_of(japanese)):
            found[address] = english

    assert found == {}


def test_no_page_has_english_left_for_a_visitor(portal: Portal, japanese: Owner, new_client: object) -> None:
    visitor = new_client()  # type: ignore[operator]
    visitor.http.headers["Accept-Language"] = "ja"
    found = {}
    for address in addresses(portal, japanese, "GET"):
        answer = visitor.get(address)
        if is_page(answer) and not answer.location:
            english = english_in(answer.page, *names_of(japanese))
            found |= {address: english} if english else {}

    assert found == {}


def test_no_answer_of_the_help_has_english_left(portal: Portal, client: Client) -> None:
    client.http.headers["Accept-Language"] = "ja"
    pages = {slug: client.get(f"/help/{slug}").page for slug in HELP}

    assert {slug: english_in(page) for slug, page in pages.items() if english_in(page)} == {}


WRONG = {
    "/recipients": [
        {"recipient": text}
        for text in (
            *("", "x", "a..b@c.org", "@c.org", '"a@c.org', '""@c.org', "a@b", "a@[1.2.3.4]", "a@1.2.3.4"),
            *(
                "\u202ea@b.org",
                "x" * 65 + "@c.org",
                "a@ubuntu.com",
                SECOND,
                "a@b_c.org",
                "a@\u2603.\u3000org",
            ),
        )
    ],
    "/label": [{"label": "x" * 101}],
    "/give-up": [{"confirm": "x"}],
    "/switch": [{"to": "off-later"}, {"to": "off-refused"}, {"to": "on"}, {"to": "x"}],
    "/order": [{"order": "first"}, {"order": "all"}],
    "/sub-addresses": [{"to": "on"}, {"to": "off"}],
    "/test": [{}, {}],
}


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("path", WRONG)
def test_no_answer_to_a_form_has_english_left(japanese: Owner, path: str, htmx: bool) -> None:
    for fields in WRONG[path]:
        answer = japanese.press(path.removeprefix("/"), htmx, **fields)
        answer = japanese.client.follow(answer)
        assert english_in(answer.page, *names_of(japanese)) == set(), fields


ASKED = [
    {"kind": "local-part", "domain": "ubuntu.com", "local_part": "a b", "reason": "because of that"},
    {"kind": "local-part", "domain": "ubuntu.com", "local_part": "security", "reason": "because of that"},
    {"kind": "local-part", "domain": "ubuntu.com", "local_part": "fine", "reason": "x"},
    {"kind": "domain", "domain": "ubuntu.com", "reason": "because of that"},
    {"kind": "domain", "domain": "kubuntu.org", "until": "2001-01-01", "reason": "because of that"},
    {"kind": "domain", "domain": "kubuntu.org", "until": "soon", "reason": "because of that"},
    {"kind": "grace", "domain": "kubuntu.org", "until": "2027-01-01", "reason": "because of that"},
    {"kind": "grace", "domain": "ubuntu.com", "reason": "because of that"},
    {"kind": "x", "domain": "x"},
]


@pytest.mark.parametrize("fields", ASKED)
def test_no_answer_to_a_request_has_english_left(japanese: Owner, fields: dict[str, str]) -> None:
    answer = japanese.client.post("/waivers", fields)
    names = [*names_of(japanese), fields.get("reason", "because"), fields.get("local_part", "fine")]

    assert answer.status == 422
    assert answer.page.one("p", id="ask-error").text
    assert english_in(answer.page, *names) == set()


STATES = {
    "grace": {"entitlement": Entitlement.GRACE},
    "ended": {"entitlement": Entitlement.ENDED},
    "off-later": {"switch": Switch.OFF_LATER},
    "off-refused": {"switch": Switch.OFF_REFUSED},
    "held": {"hold": "admin"},
    "banned": {"hold": "ban"},
    "suspended": {"hold": "launchpad"},
}


@pytest.mark.parametrize("state", STATES)
def test_no_state_of_an_address_has_english_left(japanese: Owner, state: str) -> None:
    now = utc_now()
    Alias.update(STATES[state] | {"grace_until": now, "switched_at": now}).where(
        Alias.id == japanese.alias.id
    ).execute()
    for path in (japanese.path, "/home"):
        assert english_in(japanese.client.get(path).page, *names_of(japanese)) == set(), path


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.10", "5.2.1", "5.2.2", "5.2.3", "5.7.1", ""])
def test_no_reason_of_a_refusal_has_english_left(japanese: Owner, code: str) -> None:
    mine = Recipient.person == japanese.person
    Recipient.update(failing_since=utc_now(), failing_with=code).where(mine).execute()
    for path in (japanese.path, "/home"):
        assert english_in(japanese.client.get(path).page, *names_of(japanese)) == set(), path


@pytest.mark.parametrize("name", ["bruno", "emre", "fay+lab", "jun", "mina", "kaia", "chidi"])
def test_no_kind_of_person_meets_english(client: Client, name: str) -> None:
    client.http.headers["Accept-Language"] = "ja"
    answer = client.sign_in(name)

    shown = [one.text for one in answer.page.all("span", class_="account__name")]
    assert english_in(answer.page, name, *shown) == set()


def test_the_walk_sees_english(client: Client) -> None:
    """What the tests above look for is there in English."""
    page = client.get("/help/lost-mailbox").page

    assert {"mailbox", "senders", "Help"} <= english_in(page)
