"""core.secrets"""

from hypothesis import given
from hypothesis import strategies as st

from core.secrets import derive_key, equal, keyed_hash, new_token, token_hash

texts = st.text(st.characters(exclude_categories=("Cs",)))


def test_each_purpose_has_a_key_of_its_own():
    assert derive_key("secret", "one purpose") != derive_key("secret", "another")


def test_each_secret_has_keys_of_its_own():
    assert derive_key("secret", "one purpose") != derive_key("other secret", "one purpose")


@given(st.lists(texts), st.lists(texts))
def test_only_the_same_parts_have_the_same_hash(one, other):
    assert (keyed_hash(b"key", *one) == keyed_hash(b"key", *other)) is (one == other)


def test_a_hash_needs_its_key():
    assert keyed_hash(b"key", "a") != keyed_hash(b"other", "a")


def test_a_token_is_not_stored_as_it_is():
    token = new_token()

    assert token not in token_hash(token)
    assert token_hash(token) != token_hash(new_token())


def test_a_token_suits_a_link_and_cannot_be_guessed():
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(token.replace("-", "").replace("_", "").isalnum() and len(token) == 43 for token in tokens)


@given(texts, texts)
def test_equal_says_what_equals_says(one, other):
    assert equal(one, other) is (one == other)
