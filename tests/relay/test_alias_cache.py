"""relay.alias_cache, without a database: what is kept, what a message drops, and what is bounded"""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.routing import AliasFacts, Entitlement, Hold, RouteRecipient, Switch
from relay import alias_cache as module
from relay.alias_cache import AliasCache, NotCached, Noted
from tests.relay.fakes import Table

DOMAIN = "proj.example"


def facts(alias_id: int, *recipient_ids: int) -> AliasFacts:
    recipients = tuple(RouteRecipient(f"{each}@home.example.net", True, each) for each in recipient_ids)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return AliasFacts(alias_id, Entitlement.ENTITLED, Switch.ON, moment, Hold.NONE, recipients=recipients)


def keep(cache: AliasCache, **found: AliasFacts | None) -> None:
    cache.keep({f"name {name}@{DOMAIN}": value for name, value in found.items()}, cache.version)


def known(cache: AliasCache, *names: str) -> set[str]:
    """Return which of the names the cache has an answer for."""
    return {name for name in sorted(names) if has(cache, name)}


def has(cache: AliasCache, name: str) -> bool:
    try:
        cache.find(DOMAIN, name)
    except NotCached:
        return False
    return True


@pytest.fixture
def cache() -> AliasCache:
    """Two aliases with one recipient in common, a name that nobody has, our domain and its admins."""
    made = AliasCache()
    keep(made, ada=facts(1, 10, 11), eva=facts(2, 11), nobody=None)
    made.keep({DOMAIN: True, "other.example": False, f"admins {DOMAIN}": ["kaia@x.example"]}, made.version)
    return made


NAMES = ("ada", "eva", "nobody")


def test_what_the_database_answered_is_answered_again():
    table, cache = Table(), AliasCache()
    table.alias("ada", "ada@home.example.net")
    table.admins = ["kaia@admins.example.net"]
    noted = Noted(table)
    questions = [
        lambda of: of.serves(DOMAIN),
        lambda of: of.serves("other.example"),
        lambda of: of.find(DOMAIN, "ada"),
        lambda of: of.find(DOMAIN, "nobody"),
        lambda of: of.admin_recipients(DOMAIN),
    ]
    for ask in questions:
        with pytest.raises(NotCached):
            ask(cache)
    answers = [ask(noted) for ask in questions]
    cache.keep(noted.answers, cache.version)

    assert [ask(cache) for ask in questions] == answers == [ask(table) for ask in questions]


def test_which_alias_leads_to_an_address_is_always_asked_anew(cache):
    with pytest.raises(NotCached):
        cache.aliases_of(["ada@home.example.net"])


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("*", set()),
        ("name ada@proj.example", {"eva", "nobody"}),
        ("name nobody@proj.example", {"ada", "eva"}),
        ("name ada@other.example", set(NAMES)),
        ("alias 1", {"eva", "nobody"}),
        ("alias 3", set(NAMES)),
        ("recipient 10", {"eva", "nobody"}),
        ("recipient 11", {"nobody"}),
        ("recipient 1", set(NAMES)),
        ("admins", set(NAMES)),
        ("name ada@proj.example\nalias 2", {"nobody"}),
        ("recipient 11\n*", set()),
    ],
)
def test_a_message_drops_just_what_it_can_have_changed(cache, message, left):
    cache.changed(message)

    assert known(cache, *NAMES) == left
    with pytest.raises(NotCached):
        cache.admin_recipients(DOMAIN)  # they hang on many rows, so every message drops them


def test_only_a_message_of_everything_drops_the_domains(cache):
    cache.changed("name ada@proj.example\nrecipient 11\nalias 2\nadmins")
    assert cache.serves(DOMAIN)
    assert not cache.serves("other.example")

    cache.changed("*")
    for domain in (DOMAIN, "other.example"):
        with pytest.raises(NotCached):
            cache.serves(domain)


@pytest.mark.parametrize("message", ["*", "name eva@proj.example", "alias 99", "admins"])
def test_an_answer_from_before_a_message_is_not_kept(cache, message):
    asked_at = cache.version
    cache.changed(message)
    cache.keep({f"name late@{DOMAIN}": facts(3)}, asked_at)

    assert not has(cache, "late")


def test_an_answer_from_before_the_connection_was_lost_is_not_kept(cache):
    asked_at = cache.version
    cache.forget()
    cache.keep({f"name late@{DOMAIN}": facts(3)}, asked_at)

    assert not has(cache, "late")


def test_it_answers_from_a_confirmation_until_its_end_or_a_lost_connection(cache):
    assert not cache.is_live
    cache.confirm(time.monotonic() - 0.001)
    assert not cache.is_live
    cache.confirm(time.monotonic() + 1000)
    assert cache.is_live
    cache.changed("*")
    assert cache.is_live
    cache.forget()
    assert not cache.is_live


def test_whoever_guesses_names_and_domains_evicts_no_address(cache, monkeypatch):
    monkeypatch.setattr(module, "MOST_UNKNOWN", 5)
    for number in range(100):
        keep(cache, **{f"guess{number}": None})
        cache.keep({f"guess{number}.example": False}, cache.version)

    assert known(cache, "ada", "eva") == {"ada", "eva"}
    assert cache.serves(DOMAIN)
    assert len(known(cache, *(f"guess{number}" for number in range(100)))) <= 5


def test_of_too_many_addresses_those_that_were_asked_for_last_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_KNOWN", 3)
    cache = AliasCache()
    keep(cache, a=facts(1), b=facts(2), c=facts(3))
    assert has(cache, "a")
    keep(cache, d=facts(4))

    assert known(cache, *"abcd") == {"a", "c", "d"}


def test_a_name_that_comes_or_goes_has_its_new_answer_only(cache):
    keep(cache, nobody=facts(3), ada=None)
    assert cache.find(DOMAIN, "nobody").alias_id == 3
    assert cache.find(DOMAIN, "ada") is None

    cache.changed("name nobody@proj.example\nname ada@proj.example")
    assert known(cache, *NAMES) == {"eva"}


_ids = st.integers(1, 4)
_answers = st.tuples(st.sampled_from("abcd"), st.none() | st.builds(facts, _ids, _ids, _ids))
_messages = st.one_of(
    st.sampled_from(["*", "admins"]),
    st.sampled_from("abcd").map(lambda name: f"name {name}@{DOMAIN}"),
    _ids.map(lambda row: f"alias {row}"),
    _ids.map(lambda row: f"recipient {row}"),
)


@given(st.lists(_answers | _messages))
def test_after_any_history_it_knows_what_is_not_changed_and_not_too_much(history):
    """Against a plain model that looks through everything at each message."""
    most, module.MOST_KNOWN = module.MOST_KNOWN, 3
    try:
        cache, model = AliasCache(), {}
        for step in history:
            if isinstance(step, tuple):
                name, found = step
                keep(cache, **{name: found})
                model.pop(name, None)
                model[name] = found
                kept = [name for name, found in model.items() if found]
                for name in kept[:-3]:
                    del model[name]
            else:
                cache.changed(step)
                model = {name: found for name, found in model.items() if not _concerns(step, name, found)}
            assert known(cache, *"abcd") == set(model)
            model = dict(sorted(model.items()))  # they were just asked for in this order
        for name in "abcd":
            cache.changed(f"name {name}@{DOMAIN}")
        assert not cache._names_by_row  # nothing is left of what it no longer knows
    finally:
        module.MOST_KNOWN = most


def _concerns(message: str, name: str, found: AliasFacts | None) -> bool:
    kind, _, what = message.partition(" ")
    return {
        "*": True,
        "admins": False,
        "name": what == f"{name}@{DOMAIN}",
        "alias": found is not None and what == str(found.alias_id),
        "recipient": found is not None and what in {str(each.recipient_id) for each in found.recipients},
    }[kind]
