"""Every page there is, for nobody, for somebody, and by odd methods. A new route is in here by itself."""

from collections.abc import Callable

import pytest

from app import create_app
from devtools.accounts import Account
from tests.app.owner import Owner
from tests.support.letters import proof_mails
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Client

OF_ADMINS = ("admin_id", "entry_id", "grant_id", "reading_id", "role_team_id")
"""What stands in the addresses of the admins' pages."""
SECOND = "treasure-chest@mail.example.org"


@pytest.fixture
def owner(client: Client, member: Account) -> Owner:
    """A member with an address and two recipients."""
    owner = Owner(client, member)
    owner.add(SECOND)
    return owner


def addresses(portal: Portal, owner: Owner, method: str) -> dict[str, str]:
    """Return an address for every route that takes a method: with the owner's own ids, and with odd ones."""
    app = create_app(portal.settings)
    link = proof_mails(owner.recipient(SECOND), portal.settings)[0].link
    own = {
        "alias_id": owner.alias.id,
        "recipient_id": owner.recipient(SECOND).id,
        "token": link.rpartition("/")[2],
        "session_id": owner.person.sessions.get().id,
        "waiver_id": ask_for_a_waiver(owner),
        "name": "ubuntu.com",
        "filename": "built/app.css",
        "slug": "leave",
        "run_id": "x",
        "domain_id": owner.alias.domain_id,
        **dict.fromkeys(OF_ADMINS, 1),
    }
    odd = {
        "alias_id": 2**31 - 1,
        "recipient_id": 0,
        "token": "x",
        "name": "x",
        "filename": "x",
        "slug": "x",
        "run_id": "y",
    }
    odd |= {"domain_id": 2**31 - 1, **dict.fromkeys(OF_ADMINS, 0)}
    odd |= {"session_id": 0, "waiver_id": 2**31 - 1}
    rows = ("bulk_id", "entry_id", "grant_id", "name_id", "reading_id", "role_team_id", "list_id", "kept_id")
    own |= {"person_id": owner.person.id} | dict.fromkeys(rows, 1)
    odd |= dict.fromkeys(("person_id", *rows), 2**31 - 1)
    found = {}
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if method in (rule.methods or ()):
                for values in (own, odd):
                    missing = rule.arguments - values.keys()
                    assert not missing, f"tell this test what {missing} may be in {rule.rule}"
                    used = {name: values[name] for name in rule.arguments}
                    found[app.url_for(rule.endpoint, **used)] = rule.endpoint
    return found


def ask_for_a_waiver(owner: Owner) -> int:
    """Let the owner ask for another name, once; return the request's id."""
    fields = {"kind": "local-part", "domain": "ubuntu.com", "local_part": f"{owner.person.launchpad_name}-x"}
    owner.client.post("/waivers", fields | {"reason": "I am also known as treasure-chest."})
    return owner.person.waivers.get().id


def secrets_of(owner: Owner, member: Account) -> list[str]:
    """What only the owner may see."""
    return [owner.alias.text, str(member.email), SECOND, str(owner.person.display_name), member.name]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_nobody_sees_no_private_word_and_no_error_anywhere(
    portal: Portal, owner: Owner, member: Account, new_client: Callable[[], Client], htmx: bool
) -> None:
    nobody = new_client()
    found = addresses(portal, owner, "GET")
    assert len(found) >= 9

    for address in found:
        answer = nobody.get(address, on="/home" if htmx else "")
        assert answer.status < 500, address
        said = answer.html + str(answer.response.headers)
        for word in secrets_of(owner, member):
            assert word not in said.replace(address, ""), (address, word)
        if answer.is_whole_page and answer.html.count("<html"):
            assert faults_of(answer.page) == [] or answer.location, address


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_signed_in_person_meets_no_error_anywhere(portal: Portal, owner: Owner, htmx: bool) -> None:
    for address, endpoint in addresses(portal, owner, "GET").items():
        with nothing_created():
            answer = owner.client.get(address, on="/home" if htmx else "")
        assert answer.status < 500, address
        if answer.is_whole_page and not answer.location:
            assert faults_of(answer.page) == [], address
        if endpoint != "static":
            assert answer.header("Cache-Control") == "no-store", address


def test_another_person_sees_nothing_of_the_owners(
    portal: Portal,
    owner: Owner,
    member: Account,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
) -> None:
    other = new_client()
    other.sign_in(new_person("ubuntumembers").name)

    for address in addresses(portal, owner, "GET"):
        answer = other.get(address)
        for word in secrets_of(owner, member):
            assert word not in answer.html.replace(address, ""), (address, word)


def test_posts_without_a_word_meet_no_error(
    portal: Portal, owner: Owner, new_client: Callable[[], Client]
) -> None:
    """Each form with nothing but its token, by nobody and by the owner."""
    nobody = new_client()
    for client in (nobody, owner.client):
        for address, endpoint in addresses(portal, owner, "POST").items():
            if endpoint in ("auth.sign_out", "account.end_session", "account.end_sessions"):
                continue
            assert client.post(address).status < 500, address


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_meet_no_error(portal: Portal, owner: Owner, method: str) -> None:
    for address in addresses(portal, owner, "GET"):
        answer = owner.client.http.request(method, address)
        assert answer.status_code in (200, 400, 404, 405, 501), address
        assert answer.headers.get("X-Content-Type-Options") == "nosniff", address


def test_heads_say_what_gets_say(portal: Portal, owner: Owner) -> None:
    for address in addresses(portal, owner, "GET"):
        with nothing_created():
            head = owner.client.http.head(address)
        get = owner.client.http.get(address)
        if "ubuntu-one" not in address:  # that takes the state away
            assert head.status_code == get.status_code, address
        assert head.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/Home",
        "/home/",
        "/%00",
        "/%ff%fe",
        "/\u00e4",
        "/../../etc/passwd",
        "/.git/config",
        "/" + "x" * 3000,
        "/home?x=" + "y" * 3000,
        "/home?%ff=%fe&%00",
        "/addresses/",
        "/addresses/1;x",
        "/login?next=%ff",
        "/recipients/verify/",
        "/domains/ubuntu.com/claim",
    ],
)
def test_odd_addresses_meet_a_page(portal: Portal, client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status in (200, 303, 400, 404, 405)
    if not answer.location:
        assert faults_of(answer.page) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "waypost=" + "x" * 4000},
        {"Cookie": "waypost; =; a=b=c; waypost=\x80"},
        {"Accept-Language": "xx-" + "y" * 500},
        {"Accept": "application/json"},
        {"HX-Request": "yes please"},
        {"HX-Request": "true", "HX-Current-URL": "\x7f"},
        {"HX-Request": "true", "HX-Current-URL": "http://[", "HX-Current-URL-URI-AutoEncoded": "true"},
        {"Range": "bytes=0-10"},
        {"If-None-Match": "*"},
    ],
)  # fmt: skip
def test_odd_headers_meet_a_page(portal: Portal, client: Client, headers: dict[str, str]) -> None:
    answer = client.http.get(
        "/home", headers={name: text.encode("latin-1") for name, text in headers.items()}
    )

    assert answer.status_code in (303, 400, 401)


def test_one_address_has_one_page(portal: Portal, client: Client, member: Account) -> None:
    """A trailing slash or another case is another address, not the same page twice."""
    client.sign_in(member.name)

    assert client.get("/home").status == 200
    assert client.get("/HOME").status == 404
    assert client.get("/home/").status == 404
