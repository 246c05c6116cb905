"""The history of an address says in words what happened: every change that the core can record."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

from app.portal.words import change_words
from core.database import utc_now
from core.history import Change
from core.routing import Order, Switch

CORE = Path(__file__).parents[2] / "core"
VERB = re.compile(r'"((?:alias|recipients?|grace|person|people)-[a-z-]+)"')
SETTING = re.compile(r'_set\(person_id, alias_id, "([a-z_]+)"')
OF_NO_ADDRESS = {"people-joined", "person-erased", "person-signed-in-first"}


def recorded() -> set[str]:
    """Find the verbs of all modules that record something; kinds of mails look alike, but are no verbs."""
    texts = [path.read_text() for path in CORE.glob("*.py")]
    found = {verb for text in texts if "record(" in text for verb in VERB.findall(text)}
    settings = {name.replace("_", "-") for text in texts for name in SETTING.findall(text)}
    kinds = {path.stem for path in (CORE / "templates" / "letters").glob("*.txt")} | {"recipient-proof"}
    return (found - kinds - OF_NO_ADDRESS) | {f"alias-{name}-set" for name in settings}


def words(verb: str, after: object) -> str:
    app = Flask(__name__)
    Babel(app)
    values = {"before": "", "after": after, "recipient": "r", "address": "a"}
    with app.test_request_context():
        return str(change_words(Change(utc_now(), verb, "operator", "", values)))


AFTER = {
    "alias-switched": [*Switch][:3],
    "alias-delivery-order-set": list(Order),
    "alias-keeps-tag-set": [True, False],
    "alias-label-set": ["", "private"],
    "recipients-set": [[]],
}
"""The values that a change with several sentences may have."""


@pytest.mark.parametrize("verb", sorted(recorded()))
def test_each_change_has_words(verb: str) -> None:
    for after in AFTER.get(verb, ["x"]):
        said = words(verb, after)
        assert said, verb
        assert verb not in said, "it has words of its own"


def test_the_verbs_are_found_and_an_unknown_one_would_be_seen() -> None:
    assert {"alias-held", "alias-grace-started", "alias-keeps-tag-set", "recipients-set"} <= recorded()
    assert words("alias-painted", "x") == "Changed: alias-painted"
