"""OpenID Connect answers and tokens that are forged, foreign, replayed or odd: a page, and nothing else."""

import time
from collections.abc import Callable

import pytest

from core.models import Session
from devtools.accounts import Account
from devtools.oidc import CLIENT_ID, CLIENT_SECRET, NAME, PretendOidc
from devtools.tokens import Claims, SigningKey, encode, unsigned, with_secret
from devtools.webserver import as_json
from tests.app.oidc.browser import OidcClient, assert_refused
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer

NOT_ACCEPTED = f"{NAME}'s answer was not accepted"
START_AGAIN = "This sign-in was begun in another browser"
HOUR = 3600

Tamper = Callable[[Claims], object]


def attempted(client: OidcClient, person: Account) -> Answer:
    """Sign in; return the portal's answer to what the provider sent."""
    return client.get(client.provider.answer(client.leave().asked, person.name))


# -- claims of the ID token (OpenID Connect Core 1.0 §3.1.3.7) -----------------------------------


def put(**claims: object) -> Tamper:
    """Change claims."""
    return lambda found: found.update(claims)


def drop(name: str) -> Tamper:
    """Take a claim away."""
    return lambda found: found.pop(name)


def shifted(**seconds: int) -> Tamper:
    """Set times so many seconds from now."""
    return lambda found: found.update({name: int(time.time()) + n for name, n in seconds.items()})


CLAIMS: dict[str, Tamper] = {
    "another issuer": put(iss="https://evil.example"),
    "our issuer with a slash": lambda found: found.update(iss=found["iss"] + "/"),
    "issuers in a list": lambda found: found.update(iss=[found["iss"]]),
    "no issuer": drop("iss"),
    "another audience": put(aud="another-client"),
    "others among the audiences, too": put(aud=[CLIENT_ID, "another-client"]),
    "no word on which of the audiences asked": put(aud=["another-client", CLIENT_ID], azp=None),
    "asked for by another": put(aud=[CLIENT_ID, "another-client"], azp="another-client"),
    "asked for by another, for us alone": put(azp="another-client"),
    "an audience that begins as ours": put(aud=CLIENT_ID + "x"),
    "an audience that is no text": put(aud={CLIENT_ID: 1}),
    "no audience": drop("aud"),
    "an empty audience": put(aud=[]),
    "another nonce": put(nonce="x" * 64),
    "an empty nonce": put(nonce=""),
    "a nonce that is no text": put(nonce=["x"]),
    "a nonce of nothing": put(nonce=None),
    "no nonce": drop("nonce"),
    "expired": shifted(exp=-HOUR),
    "never expires": put(exp=float("nan")),
    "expires after all times": put(exp=float("inf")),
    "expires in words": put(exp="tomorrow"),
    "expires, true": put(exp=True),
    "no expiry": drop("exp"),
    "of the future": shifted(iat=HOUR, exp=2 * HOUR),
    "made in words": put(iat="now"),
    "no time of making": drop("iat"),
    "not valid before later": shifted(nbf=HOUR),
    "no subject": drop("sub"),
    "an empty subject": put(sub=""),
    "a subject that is a number": put(sub=1001),
    "a subject that is a list": put(sub=["1001"]),
    "a long subject": put(sub="x" * 256),
    "a subject beyond ASCII": put(sub="ädä"),
    "a subject with a line break": put(sub="a\nb"),
    "a subject with a NUL": put(sub="a\0"),
    "another access token": put(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "an access token's hash that is a number": put(at_hash=7),
}


@pytest.mark.parametrize("tamper", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_token_with_wrong_claims_lets_nobody_in(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, tamper: Tamper
) -> None:
    provider.tamper = tamper

    with nothing_created():
        answer = attempted(client, member)

    assert_refused(answer, client, 400, NOT_ACCEPTED)


def test_several_audiences_are_fine_when_we_asked(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.tamper = put(aud=["another-client", CLIENT_ID], azp=CLIENT_ID)

    assert attempted(client, member).status == 303


# -- the signature -------------------------------------------------------------------------------

STRANGER = SigningKey("stranger")
STRANGERS_CURVE = SigningKey("curve", "ES256")


def bent(token: str, part: int) -> str:
    """Change one character of a part of a token."""
    parts = token.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


Forge = Callable[[PretendOidc, Claims], str]

FORGED: dict[str, Forge] = {
    "no signature": lambda p, c: unsigned(c),
    "no signature, of our key": lambda p, c: unsigned(c, kid=p.keys[-1].kid),
    "alg None": lambda p, c: unsigned(c, alg="None"),
    "no alg": lambda p, c: unsigned(c, alg=None),
    "alg in a list": lambda p, c: unsigned(c, alg=["RS256"]),
    "HS256 with the public key": lambda p, c: with_secret(c, p.keys[-1].pem(), kid=p.keys[-1].kid),
    "HS256 with the client secret": lambda p, c: with_secret(c, CLIENT_SECRET.encode()),
    "HS256 with nothing": lambda p, c: with_secret(c, b"", kid=p.keys[-1].kid),
    "a stranger's key": lambda p, c: STRANGER.sign(c),
    "a stranger's key under our key's name": lambda p, c: STRANGER.sign(c, kid=p.keys[-1].kid),
    "a stranger's curve under our key's name": lambda p, c: STRANGERS_CURVE.sign(c, kid=p.keys[-1].kid),
    "a stranger's key in the header": lambda p, c: STRANGER.sign(c, jwk=STRANGER.public()),
    "a stranger's key at an address": lambda p, c: STRANGER.sign(c, jku="http://127.0.0.1:1/jwks"),
    "another algorithm in the header": lambda p, c: p.keys[-1].sign(c, alg="RS512"),
    "a PSS signature": lambda p, c: p.keys[-1].sign(c, alg="PS256"),
    "something critical that nobody knows": lambda p, c: p.keys[-1].sign(c, crit=["x"], x=1),
    "a key's name that is a path": lambda p, c: p.keys[-1].sign(c, kid="../../etc/passwd"),
    "a key's name that is a list": lambda p, c: p.keys[-1].sign(c, kid=["x"]),
    "changed claims": lambda p, c: bent(p.keys[-1].sign(c), 1),
    "a changed signature": lambda p, c: bent(p.keys[-1].sign(c), 2),
    "half a token": lambda p, c: p.keys[-1].sign(c).rpartition(".")[0],
    "no signature after the dot": lambda p, c: p.keys[-1].sign(c).rpartition(".")[0] + ".",
    "no token": lambda p, c: "x",
    "five parts": lambda p, c: "a.b.c.d.e",
    "beyond ASCII": lambda p, c: "ä.ä.ä",
    "a long token": lambda p, c: p.keys[-1].sign({**c, "x": "x" * 150_000}),
    "a header that is deep": lambda p, c: encode(b"[" * 50_000) + ".e30.AA",
    "claims that are a list": lambda p, c: p.keys[-1].sign([c]),  # type: ignore[arg-type]
    "claims that are nothing": lambda p, c: p.keys[-1].sign({}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_token_with_a_wrong_signature_lets_nobody_in(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, forge: Forge
) -> None:
    provider.token_from = lambda claims: forge(provider, claims)

    with nothing_created():
        answer = attempted(client, member)

    assert_refused(answer, client, 400, NOT_ACCEPTED)


# -- the way back --------------------------------------------------------------------------------


def test_an_answer_counts_once(portal: Portal, client: OidcClient, member: Account) -> None:
    back = client.provider.answer(client.leave().asked, member.name)
    client.get(back)

    with nothing_created():
        assert_refused(client.get(back), OidcClient(portal.url, client.provider), 400, START_AGAIN)

    assert client.is_signed_in


def test_an_answer_counts_once_also_with_the_old_cookie(
    portal: Portal, client: OidcClient, new_client: Callable[[], OidcClient], member: Account
) -> None:
    """Whoever copied the browser's cookie and the address gains nothing, whatever the provider takes."""
    thief = new_client()
    back = client.provider.answer(client.leave().asked, member.name)
    thief.http.cookies = client.http.cookies
    thief.http.cookies.delete("waypost")
    client.get(back)
    redeemed = client.provider.asked.count("/token")

    with nothing_created():
        assert_refused(thief.get(back), thief, 400, NOT_ACCEPTED)

    assert client.provider.asked.count("/token") == redeemed  # it did not even ask


def test_a_code_that_was_used_elsewhere_lets_nobody_in(
    portal: Portal, new_client: Callable[[], OidcClient], member: Account
) -> None:
    """A stolen code, put into a sign-in of one's own: PKCE and the nonce hold it off."""
    victim, thief = new_client(), new_client()
    stolen = victim.provider.answer(victim.leave().asked, member.name)
    code = dict(pair.split("=") for pair in stolen.partition("?")[2].split("&"))["code"]

    with nothing_created():
        answer = thief.get(thief.leave().back(code=code, iss=thief.provider.issuer))

    assert_refused(answer, thief, 400, NOT_ACCEPTED)
    assert victim.get(stolen).status == 303


def test_a_foreign_state_logs_nobody_in(
    portal: Portal, new_client: Callable[[], OidcClient], member: Account
) -> None:
    """Log-in as the attacker: whose address would then get the victim's mail."""
    attacker, victim = new_client(), new_client()
    back = attacker.provider.answer(attacker.leave().asked, member.name)
    victim.leave()

    with nothing_created():
        assert_refused(victim.get(back), victim, 400, START_AGAIN)


def test_an_answer_without_the_cookie_logs_nobody_in(
    portal: Portal, new_client: Callable[[], OidcClient], member: Account
) -> None:
    client, bare = new_client(), new_client()
    back = client.provider.answer(client.leave().asked, member.name)

    with nothing_created():
        assert_refused(bare.get(back), bare, 400, START_AGAIN)


@pytest.mark.parametrize("query", ["", "state=", "state=AAAA&code=x", "code=x", "error=access_denied"])
def test_an_answer_that_nobody_asked_for_is_refused(portal: Portal, client: OidcClient, query: str) -> None:
    client.leave()

    with nothing_created():
        assert_refused(client.get(f"/login/oidc?{query}"), client, 400, START_AGAIN)


BACK: dict[str, dict[str, str]] = {
    "no code": {},
    "an empty code": {"code": ""},
    "an unknown code": {"code": "x"},
    "a long code": {"code": "x" * 3000},
    "a code with control characters": {"code": "a\0\r\nb"},
    "an error of no kind": {"error": "<b>call 0900 1234567</b>"},
    "a login that is required": {"error": "login_required"},
}


@pytest.mark.parametrize("fields", BACK.values(), ids=BACK.keys())
def test_an_odd_answer_lets_nobody_in(portal: Portal, client: OidcClient, fields: dict[str, str]) -> None:
    with nothing_created():
        answer = client.get(client.leave().back(iss=client.provider.issuer, **fields))

    assert_refused(answer, client, 400, NOT_ACCEPTED)
    assert "0900" not in answer.text


@pytest.mark.parametrize("issuer", [None, "", "https://evil.example"], ids=["none", "empty", "another"])
def test_an_answer_of_another_issuer_is_not_taken(
    portal: Portal, client: OidcClient, member: Account, issuer: str | None
) -> None:
    """RFC 9207: the provider says that it always names itself."""
    attempt = client.leave()
    given = client.provider.answer(attempt.asked, member.name)
    code = dict(pair.split("=") for pair in given.partition("?")[2].split("&"))["code"]
    redeemed = client.provider.asked.count("/token")

    with nothing_created():
        answer = client.get(attempt.back(code=code, **({} if issuer is None else {"iss": issuer})))

    assert_refused(answer, client, 400, NOT_ACCEPTED)
    assert client.provider.asked.count("/token") == redeemed


@pytest.mark.parametrize("more", ["code=x", "iss=x", "state=x", "error=access_denied&error=x"])
def test_a_field_that_comes_twice(portal: Portal, client: OidcClient, member: Account, more: str) -> None:
    back = client.provider.answer(client.leave().asked, member.name)

    with nothing_created():
        answer = client.get(f"{back}&{more}")

    assert answer.status == 400


@pytest.mark.parametrize("subject", ["another", None, 7, ""])
def test_the_user_info_of_somebody_else(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, subject: object
) -> None:
    """OpenID Connect Core 1.0 §5.3.2: else an address of somebody else would count as proven."""
    provider.email_in_token = False
    about = {"sub": subject, "email": member.email, "email_verified": True}
    provider.instead["/userinfo"] = as_json(
        {name: value for name, value in about.items() if value is not None}
    )

    with nothing_created():
        answer = attempted(client, member)

    assert_refused(answer, client, 400, NOT_ACCEPTED)


def test_the_other_protocol_has_nothing_here(portal: Portal, client: OidcClient) -> None:
    attempt = client.leave()
    state = attempt.asked["state"]

    assert client.get(f"/login/ubuntu-one?state={state}&openid.mode=id_res").status == 404
    assert client.http.post(f"/login/ubuntu-one?state={state}", data={"a": "b"}).status_code == 404
    assert client.http.post(f"/login/oidc?state={state}", data={"code": "x"}).status_code in (400, 405)


def test_an_old_session_is_not_kept(portal: Portal, client: OidcClient, member: Account) -> None:
    client.come_in(member.name)
    before = {row.id for row in Session.select()}
    cookie = client.cookies["waypost"]

    client.come_in(member.name)
    client.http.cookies.set("waypost", cookie, domain="127.0.0.1")

    assert len({row.id for row in Session.select()} - before) == 1
    assert client.get("/home").status != 200
