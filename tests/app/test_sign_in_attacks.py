"""OpenID answers that are forged, foreign, replayed or odd: a page that says what to do, and nothing else."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from core.models import Identity, Person, Recipient
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client, Fields, Sent

SREG = "http://openid.net/extensions/sreg/1.1"
AX = "http://openid.net/srv/ax/1.0"
ACCOUNT_VERIFIED = "http://ns.login.ubuntu.com/2013/validation/account"
OPENID_1 = "http://openid.net/signon/1.1"

by_get_and_post = pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])


def by_get_and_some_by_post(name: str, values: Mapping[str, object]) -> pytest.MarkDecorator:
    """Each of them by GET, and every third by POST too: both ways lead to the same checks."""
    cases = [(key, value, False) for key, value in values.items()]
    cases += [(key, value, True) for key, value in list(values.items())[::3]]
    parameters = [
        pytest.param(value, by_post, id=f"{key}, {'post' if by_post else 'get'}")
        for key, value, by_post in cases
    ]
    return pytest.mark.parametrize((name, "by_post"), parameters)


def assert_refused(answer: Answer, client: Client, status: int = 400) -> None:
    """Hold that the page says what to do, gives nothing away, and opened no session."""
    assert answer.status == status, answer.text
    assert answer.is_whole_page
    assert faults_of(answer.page) == []
    assert any(link.get("href") == "/login" for link in answer.page.all("a"))
    assert "Start again" in answer.text
    assert "Traceback" not in answer.html
    assert "openid" not in answer.text.lower()
    assert "waypost" not in client.cookies or not client.is_signed_in


class Trap:
    """A listening port that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


# -- fields changed on the way -------------------------------------------------------------------


def replaced(**values: str) -> Callable[[Fields], Sent]:
    """Change fields after they were signed; None takes one away."""

    def bend(fields: Fields) -> Sent:
        changed = fields | {f"openid.{name}": value for name, value in values.items()}
        return {name: value for name, value in changed.items() if value is not None}

    return bend


def unsigned(*names: str) -> Callable[[Fields], Sent]:
    """Take names out of the signed list."""

    def bend(fields: Fields) -> Sent:
        kept = [name for name in fields["openid.signed"].split(",") if name not in names]
        return fields | {"openid.signed": ",".join(kept)}

    return bend


def another_claimed_id(fields: Fields) -> Sent:
    """B35 a: somebody else's claimed id, which is not in the signed list."""
    prefix = fields["openid.claimed_id"].rpartition("/")[0]
    victim = f"{prefix}/aDa7xQ2"
    bent = dict(unsigned("claimed_id", "identity")(fields))
    return bent | {"openid.claimed_id": victim, "openid.identity": victim}


def another_signed_claimed_id(fields: Fields) -> Sent:
    """The same, with the signed list as it was: the signature does not fit."""
    victim = fields["openid.claimed_id"].rpartition("/")[0] + "/aDa7xQ2"
    return fields | {"openid.claimed_id": victim, "openid.identity": victim}


def claimed_id_and_identity_differ(fields: Fields) -> Sent:
    victim = fields["openid.claimed_id"].rpartition("/")[0] + "/aDa7xQ2"
    return fields | {"openid.claimed_id": victim}


def twice(name: str, value: str) -> Callable[[Fields], Sent]:
    """Send a name a second time."""
    return lambda fields: [*fields.items(), (name, value)]


def without(*names: str) -> Callable[[Fields], Sent]:
    """Take fields away, from the answer and from the signed list."""

    def bend(fields: Fields) -> Sent:
        left = dict(unsigned(*names)(fields))
        return {name: value for name, value in left.items() if name.removeprefix("openid.") not in names}

    return bend


BENT: dict[str, Callable[[Fields], Sent]] = {
    "a claimed id that is not signed": another_claimed_id,
    "a claimed id that the signature does not fit": another_signed_claimed_id,
    "claimed id and identity differ": claimed_id_and_identity_differ,
    "a foreign endpoint": replaced(op_endpoint="https://evil.example/op"),
    "our endpoint with a user": replaced(op_endpoint="http://localhost@evil.example/+openid"),
    "no endpoint": without("op_endpoint"),
    "no claimed id": without("claimed_id"),
    "no identity": without("identity"),
    "no claimed id and no identity": without("claimed_id", "identity"),
    "no nonce": without("response_nonce"),
    "no handle": without("assoc_handle"),
    "no return address": without("return_to"),
    "an unknown handle": replaced(assoc_handle="{HMAC-SHA1}{0}{x}"),
    "another signature": replaced(sig="AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "no signature": without("sig"),
    "nothing signed": replaced(signed=""),
    "no list of what is signed": without("signed"),
    "the endpoint is not signed": unsigned("op_endpoint"),
    "the return address is not signed": unsigned("return_to"),
    "the nonce is not signed": unsigned("response_nonce"),
    "the handle is not signed": unsigned("assoc_handle"),
    "the claimed id is not signed": unsigned("claimed_id"),
    "the identity is not signed": unsigned("identity"),
    "another nickname under the signature": replaced(**{"sreg.nickname": "mark"}),
    "another address under the signature": replaced(**{"sreg.email": "mark@evil.example"}),
    "setup needed": replaced(mode="setup_needed"),
    "an error": replaced(mode="error", error="<b>call 0900 1234567</b>"),
    "no mode": without("mode"),
    "an unknown mode": replaced(mode="checkid_setup"),
    "a mode of the provider": replaced(mode="check_authentication"),
    "OpenID 1.1": replaced(ns=OPENID_1),
    "OpenID 1.0": replaced(ns="http://openid.net/signon/1.0"),
    "an OpenID of its own": replaced(ns="http://evil.example/openid"),
    "no OpenID version": without("ns"),
    "the mode twice": twice("openid.mode", "cancel"),
    "the claimed id twice": twice("openid.claimed_id", "http://localhost/+id/aDa7xQ2"),
    "the signature twice": twice("openid.sig", "AAAA"),
    "the namespace twice": twice("openid.ns.sreg", "http://evil.example/sreg"),
    "the same thing twice": lambda fields: [*fields.items(), ("openid.mode", "id_res")],
    "one namespace under two names": replaced(**{"ns.x": SREG, "x.email": "mark@evil.example"}),
    "a name that only the protocol has": replaced(**{"ns.mode": "http://evil.example/x"}),
    "a namespace's name with a dot": replaced(**{"ns.a.b": "http://evil.example/x"}),
    "OpenID itself under a name": replaced(**{"ns.x": "http://specs.openid.net/auth/2.0"}),
    "a field that is no OpenID": lambda fields: fields | {"who": "me"},
    "control characters": replaced(**{"sreg.nickname": "a\x00b\r\nSet-Cookie: x=1"}),
}


@by_get_and_some_by_post("bend", BENT)
def test_a_bent_answer_lets_nobody_in(
    portal: Portal, client: Client, member: Account, bend: Callable[[Fields], Sent], by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)

    with nothing_created():
        answer = client.come_back(attempt, bend(fields), by_post=by_post)

    assert_refused(answer, client)
    assert "0900" not in answer.text


@by_get_and_post
@pytest.mark.parametrize("name", ["openid.ns.x", "openid.ns.", "openid.", "openid.sreg.shoe_size"])
def test_an_unsigned_field_that_nobody_asked_for_does_no_harm(
    portal: Portal, client: Client, member: Account, name: str, by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)

    answer = client.come_back(attempt, fields | {name: ""}, by_post=by_post)

    assert answer.status in (303, 400)
    assert client.is_signed_in is (answer.status == 303)


# -- where the answer says it belongs ------------------------------------------------------------

ELSEWHERE = {
    "another host": "http://evil.example/login/ubuntu-one?{query}",
    "another port": "http://127.0.0.1:1/login/ubuntu-one?{query}",
    "another scheme": "https://{host}/login/ubuntu-one?{query}",
    "another name of this host": "http://localhost:{port}/login/ubuntu-one?{query}",
    "another path": "http://{host}/login/ubuntu-one/x?{query}",
    "another page of ours": "http://{host}/login?{query}",
    "a user in it": "http://evil.example@{host}/login/ubuntu-one?{query}",
    "another state": "http://{host}/login/ubuntu-one?state=AAAA",
    "one argument more": "http://{host}/login/ubuntu-one?{query}&who=me",
    "no address": "nonsense?{query}",
    "a path only": "/login/ubuntu-one?{query}",
    "a broken host": "http://[?{query}",
    "nothing": "",
    "a bar": "http://{host}/login/ubuntu-one?{query}&x=a|b",
}


@by_get_and_some_by_post("form", ELSEWHERE)
def test_an_answer_for_another_address_lets_nobody_in(
    portal: Portal, client: Client, member: Account, form: str, by_post: bool
) -> None:
    """Signed by the provider itself, as when another site passes its visitor's answer on."""
    attempt = client.begin()
    host = portal.url.removeprefix("http://")
    query = attempt.return_to.partition("?")[2]
    elsewhere = form.format(host=host, port=host.rpartition(":")[2], query=query)
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.return_to": elsewhere})
    )

    with nothing_created():
        answer = client.come_back(attempt, fields, by_post=by_post)

    assert_refused(answer, client)


@by_get_and_post
def test_an_argument_more_in_the_address_lets_nobody_in(
    portal: Portal, client: Client, member: Account, by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    attempt.asked["openid.return_to"] += "&next=/home"

    assert_refused(client.come_back(attempt, fields, by_post=by_post), client)


@pytest.mark.parametrize("value", ["A|B", "{7*7}", "a^b`c", "<i>", "Ä ö", '"'])
def test_unusual_characters_of_a_right_answer_do_no_harm(
    portal: Portal, client: Client, member: Account, value: str
) -> None:
    """A browser sends `|` and the like in a query as they are."""
    attempt = client.begin()
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.sreg.fullname": value})
    )
    del fields["openid.sreg.fullname"]
    raw = f"{attempt.url(fields)}&openid.sreg.fullname="
    with socket.create_connection(("127.0.0.1", int(portal.url.rpartition(":")[2])), 20) as line:
        cookie = "; ".join(f"{name}={text}" for name, text in client.cookies.items())
        target = (raw.removeprefix(portal.url) + value.replace(" ", "+")).encode()
        line.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: " + portal.url.removeprefix("http://").encode()
            + b"\r\nConnection: close\r\nCookie: " + cookie.encode() + b"\r\n\r\n"
        )  # fmt: skip
        received = b""
        while chunk := line.recv(65536):
            received += chunk

    assert received.split(b" ")[1] in (b"303", b"400"), received


# -- whose identity it is ------------------------------------------------------------------------

FOREIGN = [
    "{trap}",
    "{trap}+id/aDa7xQ2",
    "http://127.0.0.1:6379/",
    "https://evil.example/+id/aDa7xQ2",
    "http://localhost:{provider_port}@127.0.0.1:{trap_port}/+id/aDa7xQ2",
    "http://localhost:{provider_port}.evil.example/+id/aDa7xQ2",
    "http://127.0.0.1:{provider_port}/+id/aDa7xQ2",
    "https://localhost:{provider_port}/+id/aDa7xQ2",
    "http://LOCALHOST:{provider_port}/+id/aDa7xQ2",
    "{prefix}",
    "{prefix}../../+openid",
    "{prefix}aDa7xQ2/../../{trap_port}",
    "{prefix}aDa7xQ2?x=1",
    "{prefix}aDa7xQ2#x",
    "{prefix}aDa7xQ2/",
    "{prefix}aDa7xQ2/+xrds",
    "{prefix}aDa7xQ2%2f..",
    "{prefix}aDa7xQ2\n",
    "{prefix}äda",
    "{provider}~ada",
    "{provider}",
    "=ada",
    "file:///etc/passwd",
    "",
]


@by_get_and_some_by_post("form", {repr(form): form for form in FOREIGN})
def test_a_claimed_id_of_another_kind_is_refused_before_anything_is_fetched(
    portal: Portal,
    client: Client,
    outside: PretendServers,
    member: Account,
    trap: Trap,
    form: str,
    by_post: bool,
) -> None:
    provider = outside.ubuntu_one
    claimed_id = form.format(
        trap=trap.url,
        trap_port=trap.port,
        prefix=provider.identifier_prefix,
        provider=provider.url,
        provider_port=provider.url.rstrip("/").rpartition(":")[2],
    )
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    fields |= {"openid.claimed_id": claimed_id, "openid.identity": claimed_id}
    asked_launchpad = outside.launchpad.count()

    with nothing_created():
        answer = client.come_back(attempt, fields, by_post=by_post)

    assert_refused(answer, client)
    assert trap.visits == 0
    assert outside.launchpad.count() == asked_launchpad


def test_a_whole_foreign_provider_is_never_contacted(
    portal: Portal, client: Client, member: Account, trap: Trap
) -> None:
    """Its claimed id would verify perfectly, and it says that this is mark, member of everything."""
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    fields |= {
        "openid.op_endpoint": f"{trap.url}+openid",
        "openid.claimed_id": f"{trap.url}+id/mark",
        "openid.identity": f"{trap.url}+id/mark",
    }

    with nothing_created():
        assert_refused(client.bring(attempt, fields), client)

    assert trap.visits == 0


def test_the_visitor_cannot_choose_the_provider(portal: Portal, client: Client, trap: Trap) -> None:
    fields = {"openid_identifier": trap.url, "provider": trap.url, "openid.identity": trap.url}

    answer = client.post(f"/login?openid_identifier={trap.url}", fields)

    assert answer.location.startswith(client.provider.endpoint)
    assert str(trap.port) not in answer.location
    assert trap.visits == 0


# -- replays and clocks --------------------------------------------------------------------------


@by_get_and_post
def test_an_answer_counts_once_in_the_same_browser(
    each_portal: Portal, client: Client, member: Account, by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    assert client.come_back(attempt, fields, by_post=by_post).status == 303
    assert client.is_signed_in

    with nothing_created():
        again = client.come_back(attempt, fields, by_post=by_post)

    assert again.status == 400
    assert "Start again" in again.text
    assert client.is_signed_in  # the session that was there stays


@by_get_and_post
def test_an_answer_is_worth_nothing_in_another_browser(
    each_portal: Portal, new_client: Callable[[], Client], member: Account, by_post: bool
) -> None:
    one, other = new_client(), new_client()
    attempt = one.begin()
    fields = one.sign(attempt, member.name)
    other.begin()

    with nothing_created():
        assert_refused(other.come_back(attempt, fields, by_post=by_post), other)


def test_a_used_nonce_counts_no_second_time_in_another_process(
    each_portal: Portal, client: Client, member: Account
) -> None:
    """The same nonce in a fresh sign-in, signed anew, as from a provider that repeats itself."""
    nonces: list[str] = []

    def same_nonce(fields: Fields) -> None:
        nonces.append(fields["openid.response_nonce"])
        fields["openid.response_nonce"] = nonces[0]

    with each_portal.only(0):
        first = client.begin()
        assert client.bring(first, client.sign(first, member.name, tamper=same_nonce)).status == 303
    with each_portal.only(1):
        client.forget_token()
        second = client.begin()
        fields = client.sign(second, member.name, tamper=same_nonce)
        with nothing_created():
            answer = client.bring(second, fields)

    assert answer.status == 400
    assert len(nonces) == 2


def stamp(**age: float) -> str:
    """A nonce's time, so long ago; negative units are in the future."""
    return (datetime.now(UTC) - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


NONCES = {
    "6 hours old": stamp(hours=6) + "abcdef",
    "30 minutes old": stamp(minutes=30) + "abcdef",
    "6 hours ahead": stamp(hours=-6) + "abcdef",
    "30 minutes ahead": stamp(minutes=-30) + "abcdef",
    "1970": "1970-01-01T00:00:00Zabcdef",
    "9999": "9999-12-31T23:59:59Zabcdef",
    "no date": "2026-13-45T99:99:99Zabcdef",
    "words": "yesterday",
    "empty": "",
    "long": stamp(seconds=0) + "x" * 300,
}


@by_get_and_some_by_post("nonce", NONCES)
def test_an_answer_out_of_its_time_lets_nobody_in(
    portal: Portal, client: Client, member: Account, nonce: str, by_post: bool
) -> None:
    attempt = client.begin()
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.response_nonce": nonce})
    )

    with nothing_created():
        answer = client.come_back(attempt, fields, by_post=by_post)

    assert_refused(answer, client)


@pytest.mark.parametrize("minutes", [3, -3])
def test_clocks_may_differ_by_some_minutes(
    portal: Portal, client: Client, member: Account, minutes: int
) -> None:
    nonce = stamp(minutes=minutes) + member.name
    attempt = client.begin()
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.response_nonce": nonce})
    )

    assert client.bring(attempt, fields).status == 303


def test_an_answer_made_for_another_sign_in_of_this_browser_is_refused(
    portal: Portal, client: Client, member: Account
) -> None:
    first, second = client.begin(), client.begin()
    fields = client.sign(first, member.name)

    with nothing_created():
        assert_refused(client.bring(second, fields), client)


# -- what was not signed is not there ------------------------------------------------------------


def arrived(client: Client, outside: PretendServers, name: str) -> Person:
    """Return the person who is signed in now."""
    assert client.is_signed_in
    return Identity.get(Identity.subject == outside.ubuntu_one.claimed_id(name)).person


@by_get_and_post
@pytest.mark.parametrize(
    "added",
    [
        {"openid.sreg.email": "mark@evil.example"},
        {"openid.x.email": "mark@evil.example", "openid.ns.x": "http://openid.net/sreg/1.0"},
        {"openid.email": "mark@evil.example"},
        {"openid.ax.value.email": "mark@evil.example", "openid.ax.type.email": "http://axschema.org/contact/email"},
    ],
    ids=["sreg", "another alias", "no alias", "ax"],
)  # fmt: skip
def test_an_unsigned_address_counts_as_absent(
    portal: Portal,
    client: Client,
    outside: PretendServers,
    member: Account,
    added: Fields,
    by_post: bool,
) -> None:
    attempt = client.begin()
    fields = client.sign(attempt, member.name, share=["nickname"])

    client.come_back(attempt, fields | added, by_post=by_post)

    person = arrived(client, outside, member.name)
    assert person.sign_in_email is None
    assert not Recipient.select().where(Recipient.person == person).exists()


@by_get_and_post
def test_an_unsigned_name_counts_as_absent(
    portal: Portal,
    client: Client,
    outside: PretendServers,
    new_person: Callable[..., Account],
    by_post: bool,
) -> None:
    quiet = new_person(on_launchpad=False)
    attempt = client.begin()
    fields = client.sign(attempt, quiet.name, share=["email"])
    fields |= {"openid.sreg.fullname": "Mark S.", "openid.sreg.nickname": "mark"}

    client.come_back(attempt, fields, by_post=by_post)

    person = arrived(client, outside, quiet.name)
    assert person.launchpad_name is None
    assert "Mark" not in person.display_name


@pytest.mark.parametrize("declared", [False, True], ids=["no declaration", "an unsigned declaration"])
def test_fields_of_an_undeclared_alias_count_as_absent(
    portal: Portal, client: Client, outside: PretendServers, member: Account, declared: bool
) -> None:
    """`openid.ns.sreg` was not signed, so the signed `sreg.email` could have been of any kind."""

    def undeclare(fields: Fields) -> None:
        del fields["openid.ns.sreg"]

    attempt = client.begin()
    fields = client.sign(attempt, member.name, tamper=undeclare)
    assert "sreg.email" in fields["openid.signed"].split(",")
    assert "ns.sreg" not in fields["openid.signed"].split(",")
    client.bring(attempt, fields | ({"openid.ns.sreg": SREG} if declared else {}))

    person = arrived(client, outside, member.name)
    assert person.sign_in_email is None
    assert not Recipient.select().where(Recipient.person == person).exists()


def test_fields_of_a_foreign_namespace_under_the_usual_alias_count_as_absent(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    def foreign(fields: Fields) -> None:
        fields["openid.ns.sreg"] = "http://evil.example/sreg"

    attempt = client.begin()
    client.bring(attempt, client.sign(attempt, member.name, tamper=foreign))

    assert arrived(client, outside, member.name).sign_in_email is None


def test_sreg_under_another_alias_is_sreg_when_all_is_signed(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    def rename(fields: Fields) -> None:
        for name in [name for name in fields if ".sreg" in name]:
            fields[name.replace(".sreg", ".person")] = fields.pop(name)

    attempt = client.begin()
    client.bring(attempt, client.sign(attempt, member.name, tamper=rename))

    assert arrived(client, outside, member.name).sign_in_email == member.email


@pytest.mark.parametrize("alias_signed", [False, True])
def test_an_unsigned_word_that_the_account_is_verified_proves_nothing(
    portal: Portal,
    client: Client,
    outside: PretendServers,
    new_person: Callable[..., Account],
    alias_signed: bool,
) -> None:
    """Else anybody's unproven address would be a recipient at once."""

    def silent(fields: Fields) -> None:
        kept = ["openid.ns.ax"] if alias_signed else []
        for name in [name for name in fields if ".ax" in name and name not in kept]:
            del fields[name]

    ivo = new_person(email_verified=False)
    attempt = client.begin()
    fields = client.sign(attempt, ivo.name, tamper=silent) | {
        "openid.ns.ax": AX,
        "openid.ax.mode": "fetch_response",
        "openid.ax.type.account_verified": ACCOUNT_VERIFIED,
        "openid.ax.value.account_verified": "token_via_email",
    }
    client.bring(attempt, fields)

    person = arrived(client, outside, ivo.name)
    assert not person.sign_in_email_proven
    assert not Recipient.select().where(Recipient.person == person).exists()


def test_another_signed_attribute_does_not_pass_for_the_mark(
    portal: Portal, client: Client, outside: PretendServers, new_person: Callable[..., Account]
) -> None:
    """The word of the mark, signed, but as the value of another type."""

    def swap(fields: Fields) -> None:
        fields["openid.ax.type.account_verified"] = "http://axschema.org/namePerson/friendly"
        fields["openid.ax.value.account_verified"] = "token_via_email"

    ivo = new_person(email_verified=False)
    attempt = client.begin()
    client.bring(attempt, client.sign(attempt, ivo.name, tamper=swap))

    assert not arrived(client, outside, ivo.name).sign_in_email_proven


@pytest.mark.parametrize("nickname", ["mark", "ada", "", "postmaster", "../../x", "Ada "])
def test_another_nickname_than_launchpads_name_does_not_count(
    portal: Portal, client: Client, outside: PretendServers, member: Account, nickname: str
) -> None:
    attempt = client.begin()
    fields = client.sign(
        attempt, member.name, tamper=lambda fields: fields.update({"openid.sreg.nickname": nickname})
    )
    home = client.follow(client.bring(attempt, fields))

    assert home.status == 200
    assert arrived(client, outside, member.name).launchpad_name == member.name
    assert f"Claim {member.name}@ubuntu.com" in home.text


def test_teams_named_by_the_answer_entitle_to_nothing(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    def boast(fields: Fields) -> None:
        fields["openid.ns.lp"] = "http://ns.launchpad.net/2007/openid-teams"
        fields["openid.lp.is_member"] = "ubuntumembers,kubuntu-members"

    stranger = new_person()
    attempt = client.begin()
    home = client.follow(client.bring(attempt, client.sign(attempt, stranger.name, tamper=boast)))

    assert {row["data-entitled"] for row in home.page.all("article")} == {"no"}


# -- the person changed their mind ---------------------------------------------------------------


@by_get_and_post
def test_who_cancels_gets_a_calm_page(portal: Portal, client: Client, by_post: bool) -> None:
    attempt = client.begin()
    fields = {"openid.ns": "http://specs.openid.net/auth/2.0", "openid.mode": "cancel"}

    with nothing_created():
        answer = client.come_back(attempt, fields, by_post=by_post)

    assert_refused_calmly(answer)
    assert not client.is_signed_in


def assert_refused_calmly(answer: Answer) -> None:
    """Hold that it is no error page."""
    assert answer.status == 200
    assert "You did not sign in" in answer.text
    assert "Start again" in answer.text
    assert faults_of(answer.page) == []


def test_who_cancels_while_signed_in_stays_signed_in(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)
    attempt = client.begin()

    client.bring(attempt, {"openid.ns": "http://specs.openid.net/auth/2.0", "openid.mode": "cancel"})

    assert client.is_signed_in


def test_the_real_cancel_button_leads_back(portal: Portal, client: Client, outside: PretendServers) -> None:
    attempt = client.begin()
    fields = {**attempt.asked, "cancel": "yes"}

    sent = client.http.post(f"{outside.ubuntu_one.url}+decide", data=fields)

    assert_refused_calmly(client.get(sent.headers["Location"]))


def test_after_a_refusal_one_can_start_again(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    refused = client.bring(attempt, {"openid.mode": "setup_needed"})
    assert refused.status == 400

    assert client.sign_in(member.name).status == 200
