"""The OpenID Connect provider on a bad day: down, slow, with new keys, or with senseless documents."""

import contextlib
import json
import socket
import threading
import time

import pytest

from app import create_app
from app.auth import oidc
from app.auth.refusal import OpenIDRefused, Refusal
from core.database import utc_now
from core.directories import Deadline
from core.settings import Settings
from devtools.accounts import Account
from devtools.oidc import NAME, PretendOidc
from devtools.webserver import Answer as Sent
from devtools.webserver import Breakage, as_json, text
from tests.app.oidc.browser import OidcAttempt, OidcClient, arrived, assert_refused
from tests.support.portal import Portal
from tests.support.records import nothing_created

NO_ANSWER = f"{NAME} does not answer"
PATIENCE = 15.0  # seconds; the budget of a sign-in is 4
CONFIGURATION = "/.well-known/openid-configuration"

BROKEN: dict[str, Sent] = {
    "down": text(503, "maintenance"),
    "an error of its own": text(500, "oops"),
    "too many requests": text(429, "slow down"),
    "a gateway's page": Sent(502, b"<html>Bad Gateway</html>"),
    "a page in place of an answer": Sent(200, b"<html><title>Maintenance</title></html>"),
    "half an answer": Sent(200, b'{"a"', "application/json", breakage=Breakage.TRUNCATED),
    "no answer": Sent(breakage=Breakage.CLOSED),
    "nothing": Sent(200, b"", "application/json"),
    "a list": as_json([1]),
    "a word": as_json("x"),
    "no JSON": Sent(200, b"{'a': 1}", "application/json"),
    "no text": Sent(200, b"\xff\xfe\x00", "application/json"),
    "deep JSON": Sent(200, b'{"a":' * 50_000, "application/json"),
    "an empty object": as_json({}),
    "a large answer": Sent(200, b'{"a":"' + b"x" * 3_000_000 + b'"}', "application/json"),
    "a redirect": Sent(302, headers=(("Location", "http://127.0.0.1:1/"),)),
}

broken = pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())


# -- before the way to the provider --------------------------------------------------------------


def refused(settings: Settings, seconds: float = 4) -> OpenIDRefused:
    """Begin a sign-in; return how that was refused."""
    begin = time.monotonic()
    with pytest.raises(OpenIDRefused) as caught:
        oidc.request_url(settings, "state", Deadline(seconds))
    assert time.monotonic() - begin < PATIENCE
    return caught.value


@broken
def test_discovery_in_pieces_is_no_answer(blank: Settings, provider: PretendOidc, sent: Sent) -> None:
    provider.instead[CONFIGURATION] = sent

    assert refused(blank).refusal is Refusal.NO_ANSWER
    provider.heal()
    assert oidc.request_url(blank, "state", Deadline(4)).startswith(f"{provider.issuer}/authorize?")


def document(provider: PretendOidc, **changes: object) -> Sent:
    """The discovery document with fields changed; None takes one away."""
    right = json.loads(provider._configuration(None).body)  # type: ignore[arg-type]
    changed = {**right, **changes}
    return as_json({name: value for name, value in changed.items() if value is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "/authorize"},
        {"authorization_endpoint": "https://x.example/\r\nSet-Cookie: a=b"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"token_endpoint": "http://127.0.0.1:6379/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://[::1"},
        {"userinfo_endpoint": "ftp://x.example/"},
    ],
    ids=lambda changes: " ".join(f"{name}={value!r}" for name, value in changes.items()),
)
def test_a_discovery_document_that_leads_astray(
    blank: Settings, provider: PretendOidc, changes: dict[str, object]
) -> None:
    provider.instead[CONFIGURATION] = document(provider, **changes)

    assert refused(blank).refusal is Refusal.NO_ANSWER


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint_auth_methods_supported": "client_secret_post"},
        {"token_endpoint_auth_methods_supported": [7, None]},
        {"userinfo_endpoint": None},
        {"authorization_response_iss_parameter_supported": "yes"},
        {"code_challenge_methods_supported": None},
        {"authorization_endpoint": "https://x.example/a?tenant=1"},
    ],
    ids=lambda changes: " ".join(f"{name}={value!r}" for name, value in changes.items()),
)
def test_a_discovery_document_that_is_unusual(
    blank: Settings, provider: PretendOidc, changes: dict[str, object]
) -> None:
    provider.instead[CONFIGURATION] = document(provider, **changes)

    assert "code_challenge=" in oidc.request_url(blank, "state", Deadline(4))


def test_discovery_by_the_octet_is_not_waited_for(blank: Settings) -> None:
    """Each octet is in time, all of them together would take an hour."""
    listening = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def drip() -> None:
        line, _ = listening.accept()
        with line, contextlib.suppress(OSError):
            line.recv(65536)
            line.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 36000\r\nContent-Type: application/json\r\n\r\n"
            )
            while not stopping.wait(0.1):
                line.sendall(b" ")

    threading.Thread(target=drip, daemon=True).start()
    issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"

    error = refused(blank.model_copy(update={"oidc_issuer": issuer}), 1)

    stopping.set()
    listening.close()
    assert error.refusal is Refusal.NO_ANSWER


def test_a_provider_that_does_not_answer_at_first_gives_a_page(
    blank: Settings, provider: PretendOidc
) -> None:
    """In a process that has not asked it yet; and no sign-in is under way then."""
    browser = create_app(blank).test_client()
    token = browser.get("/login").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    provider.down = True

    page = browser.post("/login", data={"csrf_token": token})

    assert page.status_code == 503
    assert NO_ANSWER in page.text
    assert browser.get_cookie("waypost-signin") is None


# -- on the way back -----------------------------------------------------------------------------


@pytest.fixture
def attempt(client: OidcClient) -> OidcAttempt:
    """A sign-in under way, of a process that knows the provider."""
    return client.leave()


WAY_BACK = [
    pytest.param(path, sent, id=f"{path} {name}")
    for path in ("/token", "/userinfo")
    for name, sent in BROKEN.items()
    if (path, name) != ("/userinfo", "an empty object")  # that is clearly about nobody: test_attacks
]


@pytest.mark.parametrize(("path", "sent"), WAY_BACK)
def test_trouble_on_the_way_back_passes(
    portal: Portal,
    client: OidcClient,
    attempt: OidcAttempt,
    member: Account,
    provider: PretendOidc,
    path: str,
    sent: Sent,
) -> None:
    if path == "/userinfo":
        provider.email_in_token = False
    back = provider.answer(attempt.asked, member.name)
    provider.instead[path] = sent

    with nothing_created():
        answer = client.get(back)

    assert_refused(answer, client, 503, NO_ANSWER)
    assert "Try again in a minute" in answer.text
    provider.heal()
    assert client.come_in(member.name).status == 200


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_a_slow_provider_is_not_waited_for(
    portal: Portal,
    client: OidcClient,
    attempt: OidcAttempt,
    member: Account,
    provider: PretendOidc,
    path: str,
) -> None:
    provider.email_in_token = path == "/token"
    back = provider.answer(attempt.asked, member.name)
    provider.instead[path] = Sent(breakage=Breakage.HANG)
    begin = time.monotonic()

    with nothing_created():
        answer = client.get(back)

    assert_refused(answer, client, 503, NO_ANSWER)
    assert time.monotonic() - begin < PATIENCE


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "x", "token_type": "Bearer"},
        {"id_token": "x"},
        {"id_token": 7, "access_token": "x"},
        {"id_token": "x", "access_token": ["x"]},
        {"id_token": "x", "access_token": "x", "expires_in": "soon"},
        {"id_token": "x", "access_token": "x", "expires_in": [1]},
        {"id_token": "x", "access_token": "x", "expires_at": {"a": 1}},
        {"error": "server_error"},
        {"error": "temporarily_unavailable"},
    ],
    ids=" ".join,
)
def test_an_odd_answer_to_the_code_passes(
    portal: Portal, client: OidcClient, attempt: OidcAttempt, provider: PretendOidc, answer: dict[str, object]
) -> None:
    provider.instead["/token"] = as_json(answer, 400 if "error" in answer else 200)

    with nothing_created():
        page = client.get(attempt.back(code="x", iss=provider.issuer))

    assert_refused(page, client, 503, NO_ANSWER)


@pytest.mark.parametrize("error", [7, None, [], {"a": 1}, "", "é", "x" * 5000, "invalid_grant"])
def test_an_odd_error_ends_this_sign_in(
    portal: Portal, client: OidcClient, attempt: OidcAttempt, provider: PretendOidc, error: object
) -> None:
    provider.instead["/token"] = as_json({"error": error, "error_description": "é\r\n"}, 400)

    with nothing_created():
        page = client.get(attempt.back(code="x", iss=provider.issuer))

    assert_refused(page, client, 400, f"{NAME}'s answer was not accepted")


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope"])
@pytest.mark.parametrize("way", ["the code", "the answer"])
def test_a_portal_that_is_set_up_wrongly_says_so(
    portal: Portal, client: OidcClient, attempt: OidcAttempt, provider: PretendOidc, error: str, way: str
) -> None:
    provider.instead["/token"] = as_json({"error": error}, 401)
    fields = {"code": "x"} if way == "the code" else {"error": error}

    with nothing_created():
        page = client.get(attempt.back(iss=provider.issuer, **fields))

    assert_refused(page, client, 503, f"{NAME} does not accept this portal")
    assert "Please tell the admins." in page.text
    assert error in portal.log()


@pytest.mark.parametrize("error", ["temporarily_unavailable", "server_error"])
def test_an_error_that_passes(
    portal: Portal, client: OidcClient, attempt: OidcAttempt, provider: PretendOidc, error: str
) -> None:
    with nothing_created():
        page = client.get(attempt.back(iss=provider.issuer, error=error))

    assert_refused(page, client, 503, NO_ANSWER)


def test_a_wrong_secret_is_the_operators_matter(
    blank: Settings, client: OidcClient, attempt: OidcAttempt, member: Account, provider: PretendOidc
) -> None:
    wrong = blank.model_copy(update={"oidc_client_secret": "wrong"})
    state = attempt.asked["state"]
    code = provider.answer(attempt.asked, member.name).partition("code=")[2].partition("&")[0]

    with pytest.raises(OpenIDRefused) as caught:
        oidc.check_answer(wrong, {"code": code, "iss": provider.issuer}, state, Deadline(4), utc_now())

    assert caught.value.refusal is Refusal.REFUSED_US


@pytest.mark.parametrize("methods", [["client_secret_post"], ["client_secret_basic", "client_secret_post"]])
def test_either_way_to_give_the_secret(
    blank: Settings, member: Account, provider: PretendOidc, methods: list[str]
) -> None:
    provider.instead[CONFIGURATION] = document(provider, token_endpoint_auth_methods_supported=methods)

    assert arrived(blank, member, provider) == member.suffixes[0]
