"""The languages of pages and mails: English as it stands in the code, the others in `core/translations/`."""

import gettext
import json
from functools import cache
from pathlib import Path
from typing import Any

TRANSLATIONS = Path(__file__).parent / "translations"
"""One gettext catalogue for each language; `script/setup` compiles them."""


def N_(text: str) -> str:  # noqa: N802 -- the name by which gettext knows it
    """Mark a text for translation where it stands; it is translated where it is used."""
    return text


class Told:
    """What a person is told: a marked text, and the values of its placeholders; as a string in English."""

    def __init__(self, text: str, **values: object) -> None:
        self.text, self.values = text, values

    def __str__(self) -> str:
        return self.text % self.values if self.values else self.text

    def packed(self) -> str:
        """Return it as one string, to be kept in a column; `unpacked` makes it from that again."""
        return json.dumps(_parts(self))


class ToldError(Told, ValueError):
    """An error whose message is for a person."""

    def __init__(self, text: str, **values: object) -> None:
        Told.__init__(self, text, **values)
        ValueError.__init__(self, str(self))


def unpacked(kept: str) -> Told:
    """Return what was packed; any other string is a text of its own."""
    if not kept.startswith("["):
        return Told(kept)
    return _of_parts(json.loads(kept))


def _parts(value: object) -> object:
    """Take a value apart for JSON: what is told becomes a list of its text and its values."""
    if isinstance(value, Told):
        return [value.text, {name: _parts(one) for name, one in value.values.items()}]
    return value if isinstance(value, int) else str(value)


def _of_parts(parts: Any) -> Told:
    text, values = parts
    return Told(
        text, **{name: _of_parts(one) if isinstance(one, list) else one for name, one in values.items()}
    )


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are: English, and those whose catalogue is compiled."""
    return ("en", *sorted(path.parts[-3] for path in TRANSLATIONS.glob("*/LC_MESSAGES/messages.mo")))


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the texts of a language; of one without a catalogue, the English ones."""
    return gettext.translation("messages", TRANSLATIONS, [language], fallback=True)
