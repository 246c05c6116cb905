"""The provider's signing keys: they change, and some are none."""

import time

import pytest

from app.auth import oidc_provider
from app.auth.refusal import OpenIDRefused, Refusal
from core.settings import Settings
from devtools.accounts import Account
from devtools.oidc import PretendOidc
from devtools.tokens import SigningKey
from devtools.webserver import as_json
from tests.app.oidc.browser import OidcClient, arrived
from tests.support.portal import Portal


@pytest.mark.parametrize("keep", [True, False], ids=["beside the old one", "in its place"])
def test_a_new_key_is_fetched_when_it_is_met(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, keep: bool
) -> None:
    client.come_in(member.name)
    provider.rotate(keep=keep)

    assert client.come_in(member.name).status == 200


def test_a_new_key_under_the_old_name(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    client.come_in(member.name)
    provider.keys = [SigningKey(provider.keys[-1].kid)]

    assert client.come_in(member.name).status == 200


def test_keys_are_not_fetched_for_every_sign_in(
    blank: Settings, member: Account, provider: PretendOidc
) -> None:
    arrived(blank, member, provider)
    before = len(provider.asked)

    arrived(blank, member, provider)

    assert provider.asked[before:] == ["/token"]


def test_a_key_that_was_withdrawn_counts_no_more_after_an_hour(
    blank: Settings, member: Account, provider: PretendOidc, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = provider.keys[-1]
    arrived(blank, member, provider)
    provider.rotate(keep=False)
    provider.token_from = old.sign
    assert arrived(blank, member, provider) == member.suffixes[0]
    an_hour_later = time.monotonic() + 3700
    monkeypatch.setattr(oidc_provider.time, "monotonic", lambda: an_hour_later)

    with pytest.raises(OpenIDRefused) as caught:
        arrived(blank, member, provider)

    assert caught.value.refusal is Refusal.NOT_VALID


KEY = SigningKey("k").public()

KEYS: dict[str, object] = {
    "none": [],
    "no list": {"k": 1},
    "no keys": [7, "x", None, []],
    "a shared secret": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}],
    "a key for encryption": [KEY | {"use": "enc"}],
    "a key for another algorithm": [KEY | {"alg": "RSA-OAEP"}],
    "a short key": [SigningKey("k", bits=1024).public()],
    "half a key": [{name: value for name, value in KEY.items() if name != "n"}],
    "a key of odd numbers": [KEY | {"n": "!", "e": 7}],
    "a curve that is none": [KEY | {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}],
    "a point off the curve": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"}],
    "a kind of its own": [KEY | {"kty": ["RSA"]}],
}


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS.keys())
def test_keys_that_cannot_be_used_let_nobody_in(
    blank: Settings, member: Account, provider: PretendOidc, keys: object
) -> None:
    provider.instead["/jwks"] = as_json({"keys": keys})

    with pytest.raises(OpenIDRefused) as caught:
        arrived(blank, member, provider)

    assert caught.value.refusal is Refusal.NO_ANSWER


@pytest.mark.filterwarnings("ignore:Key size")
def test_odd_keys_beside_a_good_one_do_not_hinder(
    blank: Settings, member: Account, provider: PretendOidc
) -> None:
    odd = [key for keys in KEYS.values() if isinstance(keys, list) for key in keys]
    provider.instead["/jwks"] = as_json({"keys": [*odd, provider.keys[-1].public()]})

    assert arrived(blank, member, provider) == member.suffixes[0]
