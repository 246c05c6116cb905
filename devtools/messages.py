"""The catalogues: bring them up to date with the code, compile them, and say what is wrong with them.

`script/messages` runs this. How to translate: docs/translating.md.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from core.translation import TRANSLATIONS

ROOT = Path(__file__).parents[1]
WHERE = {
    "app": [("**.py", "python"), ("templates/**.html", "jinja2")],
    "core": [("**.py", "python"), ("templates/**", "jinja2")],
}
"""By package: which files hold texts for people, and in which form."""

WIDTH = 110
HEADER = "# {language} texts of Waypost, of its pages and its mails. How to translate: docs/translating.md."

_MARKS = re.compile(r"%\(\w+\)[sd]|</?[a-z]\w*[^>]*>|https?://\S+|[a-z-]+=\w+|@(?=%\()")
"""What a translation must hold exactly as its source does: placeholders, markup, addresses."""


def extract() -> Catalog:
    """Read the texts that are marked in the code."""
    found = Catalog(fuzzy=False)
    for package, methods in WHERE.items():
        options = {pattern: {"silent": "false"} for pattern, method in methods if method == "jinja2"}
        for name, line, text, comments, context in extract_from_dir(ROOT / package, methods, options):
            found.add(text, None, [(f"{package}/{name}", line)], auto_comments=comments, context=context)
    return found


def catalogues() -> list[Path]:
    """Return the files with translations, one a language."""
    return sorted(TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))


def read(path: Path) -> Catalog:
    """Read a catalogue; a file that is none raises ValueError."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], abort_invalid=True)


def updated(path: Path, sources: Catalog) -> bytes:
    """Return a catalogue as it should be written: every text of the code in it, and nothing else.

    A translation whose source has changed a little is kept and marked fuzzy. Line numbers and dates
    are left out, so that only a changed text changes the file.
    """
    catalogue = read(path)
    catalogue.update(sources)
    catalogue.header_comment = HEADER.format(language=catalogue.locale.english_name)
    text = BytesIO()
    write_po(
        text,
        catalogue,
        width=WIDTH,
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    lines = text.getvalue().decode().splitlines(keepends=True)
    dated = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator', '"Project-Id')
    return "".join(line for line in lines if not line.startswith(dated)).encode()


def compile_all() -> None:
    """Write the form that programs read beside each catalogue."""
    for path in catalogues():
        text = BytesIO()
        write_mo(text, read(path))
        path.with_suffix(".mo").write_bytes(text.getvalue())


def problems(path: Path, sources: Catalog) -> Iterator[str]:
    """Say in a sentence each what keeps a catalogue from being complete."""
    catalogue = read(path)
    for message in sources:
        if message.id and catalogue.get(message.id, message.context) is None:
            yield f"missing: {_shown(message)}"
    for message in catalogue:
        if not message.id:
            continue
        if sources.get(message.id, message.context) is None:
            yield f"not in the code any more: {_shown(message)}"
        elif message.fuzzy:
            yield f"fuzzy: {_shown(message)}"
        elif not all(_forms(message.string)):
            yield f"not translated: {_shown(message)}"
        elif len(_forms(message.string)) != (catalogue.num_plurals if message.pluralizable else 1):
            yield f"not as many forms as the language has: {_shown(message)}"
        else:
            yield from _differences(message)
    for message in catalogue.obsolete.values():
        yield f"not in the code any more: {_shown(message)}"


def _differences(message: Message) -> Iterator[str]:
    """Say where a translation lacks, or adds, what must be the same in all languages."""
    wanted = Counter(_MARKS.findall(_forms(message.id)[-1]))
    for form in _forms(message.string):
        found = Counter(_MARKS.findall(form))
        if message.python_format and not _can_be_filled(form):
            yield f"a % stands alone: {_shown(message)}"
        if found != wanted:
            marks = ", ".join(sorted((wanted - found) | (found - wanted)))
            yield f"not the same in both ({marks}): {_shown(message)}"


def _can_be_filled(form: str) -> bool:
    try:
        form % defaultdict(int)
    except (ValueError, TypeError):
        return False
    return True


def _forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _shown(message: Message) -> str:
    return repr(_forms(message.id)[0])


def add(language: str) -> None:
    """Begin a catalogue for one more language, or leave the one that there is."""
    path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, Catalog(language, fuzzy=False))


def main(arguments: list[str]) -> int:
    """Run one command; return 0 when all is well."""
    match arguments:
        case ["update", *new]:
            for language in new:
                add(language)
            sources = extract()
            for path in catalogues():
                path.write_bytes(updated(path, sources))
        case ["compile"]:
            compile_all()
            return 0
        case ["check"]:
            sources = extract()
        case _:
            sys.stderr.write("Usage: script/messages update [LANGUAGE] | check | compile\n")
            return 2
    found = [f"{path.parts[-3]}: {problem}" for path in catalogues() for problem in problems(path, sources)]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
