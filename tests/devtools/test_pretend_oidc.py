"""The pretend OIDC provider is as strict as a real one, and its tokens hold before another library."""

import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from devtools.oidc import CLIENT_ID, CLIENT_SECRET, PretendOidc
from devtools.tokens import encode
from devtools.world import World

VERIFIER = "v" * 43
RETURN_TO = "http://127.0.0.1:9/login/oidc"
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": RETURN_TO,
    "scope": "openid email",
    "state": "a state",
    "nonce": "a nonce",
    "code_challenge": encode(hashlib.sha256(VERIFIER.encode()).digest()),
    "code_challenge_method": "S256",
}


@pytest.fixture
def provider(world: World) -> Iterator[PretendOidc]:
    server = PretendOidc(world)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def browser(provider: PretendOidc) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=provider.issuer, timeout=5) as client:
        yield client


def code_of(answer: httpx.Response) -> str:
    """The code in the redirect back to the site."""
    location = answer.headers["location"]
    assert location.startswith(f"{RETURN_TO}?")
    fields = dict(parse_qsl(urlsplit(location).query))
    assert fields["state"] == "a state"
    return fields["code"]


def redeem(browser: httpx.Client, code: str, /, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": RETURN_TO,
        "code_verifier": VERIFIER,
    }
    return browser.post("/token", data=form | changes, auth=(CLIENT_ID, CLIENT_SECRET))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_somebody_chosen_on_its_page_is_proven(
    provider: PretendOidc, browser: httpx.Client, algorithm: str
) -> None:
    provider.rotate(algorithm)
    page = browser.get("/authorize", params=ASKED)
    assert 'value="ada"' in page.text

    tokens = redeem(browser, code_of(browser.post("/decide", data=ASKED | {"person": "ada"}))).json()

    keys = KeySet.import_key_set(browser.get("/jwks").json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=[algorithm]).claims
    assert claims["iss"] == browser.get("/.well-known/openid-configuration").json()["issuer"]
    assert (claims["sub"], claims["aud"]) == (provider.subject("ada"), CLIENT_ID)
    assert claims["nonce"] == "a nonce"
    about = browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
    assert (about["sub"], about["email"]) == (claims["sub"], claims["email"])


def test_a_code_is_good_once(provider: PretendOidc, browser: httpx.Client) -> None:
    code = code_of(browser.post("/decide", data=ASKED | {"person": "ada"}))

    assert redeem(browser, code).status_code == 200
    assert redeem(browser, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:9/elsewhere"},
        {"grant_type": "password"},
        {"code": "x"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_code_is_redeemed_by_whom_it_was_made_for(
    provider: PretendOidc, browser: httpx.Client, changes: dict[str, str]
) -> None:
    code = code_of(browser.post("/decide", data=ASKED | {"person": "ada"}))

    assert redeem(browser, code, **changes).json()["error"] == "invalid_grant"


def test_a_wrong_secret(provider: PretendOidc, browser: httpx.Client) -> None:
    answer = browser.post("/token", data={"code": "x"}, auth=(CLIENT_ID, "wrong"))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": ""},
        {"state": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"client_id": "another"},
        {"scope": "email"},
        {"redirect_uri": "https://evil.example/"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_request_that_lacks_something(browser: httpx.Client, changes: dict[str, str]) -> None:
    for answer in (
        browser.get("/authorize", params=ASKED | changes),
        browser.post("/decide", data=ASKED | changes | {"person": "ada"}),
    ):
        assert answer.status_code == 400
        assert next(iter(changes)) in answer.text


def test_cancelling_and_odd_choices(browser: httpx.Client) -> None:
    cancelled = browser.post("/decide", data=ASKED | {"cancel": "yes"})
    assert "error=access_denied" in cancelled.headers["location"]
    assert browser.post("/decide", data=ASKED | {"person": "nobody"}).status_code == 400
    assert browser.get("/userinfo").status_code == 401
    assert browser.get("/elsewhere").status_code == 404


def test_it_can_be_told_to_be_down(provider: PretendOidc, browser: httpx.Client) -> None:
    assert browser.post("/_control", json={"down": True}).json()["down"]
    assert browser.get("/jwks").status_code == 503
    browser.post("/_control", json={"down": False, "rotate": True})
    assert len(browser.get("/jwks").json()["keys"]) == 1
