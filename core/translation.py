"""The languages of pages and mails: English as it stands in the code, the others in `core/translations/`."""

import gettext
from functools import cache
from pathlib import Path

TRANSLATIONS = Path(__file__).parent / "translations"
"""One gettext catalogue for each language; `script/setup` compiles them."""


def N_(text: str) -> str:  # noqa: N802 -- the name by which gettext knows it
    """Mark a text for translation where it stands; it is translated where it is used."""
    return text


class ToldError(ValueError):
    """An error whose message is for a person: a marked text, and the values of its placeholders.

    The exception's own text is English; `text` and `values` are for saying it in another language.
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are: English, and those whose catalogue is compiled."""
    return ("en", *sorted(path.parts[-3] for path in TRANSLATIONS.glob("*/LC_MESSAGES/messages.mo")))


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the texts of a language; of one without a catalogue, the English ones."""
    return gettext.translation("messages", TRANSLATIONS, [language], fallback=True)
