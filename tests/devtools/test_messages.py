"""devtools.messages, and with it the catalogues themselves: complete, up to date, and written one way."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from core.translation import catalogue as catalogue_of
from devtools.messages import ROOT, catalogues, extract, problems, read, updated

JAPANESE = ROOT / "core" / "translations" / "ja" / "LC_MESSAGES" / "messages.po"
LETTER = r"[ぁ-んァ-ヶ一-龠々]"


@pytest.fixture(scope="module")
def sources() -> Catalog:
    """The texts of the code."""
    return extract()


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A complete catalogue of two texts, in a file of its own."""
    path = tmp_path / "ja" / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True)
    texts = Catalog("ja", fuzzy=False)
    texts.add("Saved.", "保存しました。")
    texts.add(
        ("%(num)d entry of %(who)s", "%(num)d entries of %(who)s"),
        ("%(who)s の %(num)d 件",),
        flags={"python-format"},
    )
    with path.open("wb") as file:
        write_po(file, texts)
    return path


def sources_of(path: Path) -> Catalog:
    """A template with the texts of a catalogue and no translation."""
    found = Catalog(fuzzy=False)
    for message in read(path):
        if message.id:
            found.add(message.id, flags=message.flags)
    return found


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


# -- our catalogues --------------------------------------------------------------------------------


def test_there_is_a_catalogue_and_many_texts(sources: Catalog) -> None:
    assert JAPANESE in catalogues()
    assert len(sources) > 700


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parts[-3])
def test_every_text_is_translated(path: Path, sources: Catalog) -> None:
    """No text is missing, fuzzy or left over, and each has its placeholders: `script/messages check`."""
    assert list(problems(path, sources)) == []


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parts[-3])
def test_the_file_is_as_the_script_writes_it(path: Path, sources: Catalog) -> None:
    """Else run `script/messages update`."""
    assert path.read_bytes() == updated(path, sources)


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parts[-3])
def test_what_the_programs_read_is_of_this_catalogue(path: Path) -> None:
    """Else run `script/setup`: it compiles what has changed."""
    words = catalogue_of(path.parts[-3])
    for message in read(path):
        if isinstance(message.id, str) and message.id:
            assert words.gettext(message.id) == message.string
        elif message.id:
            assert words.ngettext(*message.id, 2) == message.string[-1]


def test_japanese_is_written_one_way() -> None:
    """docs/translating.md: full-width marks, and a space between Latin and Japanese letters."""
    rules = {
        "a half-width mark after a Japanese letter": rf"{LETTER}[,.!?:;()]",
        "a half-width mark before a Japanese letter": rf"[,!?;()]{LETTER}",
        "no space between Japanese and Latin": rf"{LETTER}[A-Za-z0-9]|[A-Za-z0-9]{LETTER}",
        "a space beside a full-width mark": r" [、。（）「」：？]|[、。（）「」：] ",
        "not the polite form": r"(だ|である|ない|する|できる|(?<!まし)(?<!でし)た)。",
        "a term written another way": r"(サーバ|ユーザ|フォルダ|ブラウザ)(?!ー)|下さい|出来|サインイン",
    }
    found = [
        f"{name}: {text}"
        for message in read(JAPANESE)
        if message.id
        for text in ([message.string] if isinstance(message.string, str) else message.string)
        for name, rule in rules.items()
        if re.search(rule, re.sub(r"%\(\w+\)[sd]", "%", text))
    ]
    assert found == []


# -- what is not marked ----------------------------------------------------------------------------


def templates() -> Iterator[Path]:
    yield from sorted((ROOT / "app" / "templates").rglob("*.html"))
    yield from sorted((ROOT / "core" / "templates").rglob("*.*"))


FOR_OPS = ("signing-key-in-use", "signing-key-missing", "problems")
"""Letters to the ops address alone, which reads English."""


@pytest.mark.parametrize("path", list(templates()), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_text_of_a_template_is_unmarked(path: Path) -> None:
    """Words that stand in the template itself would be English in every language."""
    if path.stem in FOR_OPS:
        return
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"\{% trans.*?endtrans %\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    said = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', text)
    said.append(re.sub(r"""<[^>]*>|[\w-]+=(".*?"|'.*?')""", " ", text))
    words = {word for one in said for word in re.findall(r"[A-Za-z]{2,}", re.sub(r"/[\w/-]+", "", one))}
    assert words - {"UTC", "TXT"} == set()


def told_errors() -> Iterator[tuple[str, ast.Call]]:
    """Where an error is raised whose message a person reads."""
    files = [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "app").rglob("*.py"))]
    trees = {path: ast.parse(path.read_text()) for path in files}
    names = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "ToldError" for base in node.bases)
    }
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{path.name}:{node.lineno}", node


def test_every_error_that_is_told_has_a_marked_text() -> None:
    found = dict(told_errors())
    assert len(found) > 30
    unmarked = [
        where
        for where, call in found.items()
        if not call.args or isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)
    ]
    assert unmarked == []


# -- the check finds what is wrong -----------------------------------------------------------------


def test_a_complete_catalogue_has_no_problem(catalogue: Path) -> None:
    assert list(problems(catalogue, sources_of(catalogue))) == []


def test_a_new_text_in_the_code_is_missing(catalogue: Path) -> None:
    sources = sources_of(catalogue)
    sources.add("New.")
    assert list(problems(catalogue, sources)) == ["missing: 'New.'"]


def test_a_text_that_left_the_code_is_named(catalogue: Path) -> None:
    assert next(problems(catalogue, Catalog(fuzzy=False))).startswith("not in the code any more: ")


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("保存しました。", "", "not translated: 'Saved.'"),
        ('msgid "Saved."', '#, fuzzy\nmsgid "Saved."', "fuzzy: 'Saved.'"),
        ("%(who)s の ", "", "not the same in both (%(who)s): '%(num)d entry of %(who)s'"),
        ("%(num)d 件", "%(number)d 件", "not the same in both (%(num)d, %(number)d)"),
        ("%(num)d 件", "%(num)d % 件", "a % stands alone"),
        ("保存しました。", "<b>保存しました。", "not the same in both (<b>): 'Saved.'"),
        (
            'msgid "Saved."\nmsgstr "保存しました。"\n',
            '#~ msgid "Saved."\n#~ msgstr "保存しました。"\n',
            "missing",
        ),
    ],
)
def test_what_is_wrong_is_found(catalogue: Path, before: str, after: str, problem: str) -> None:
    sources = sources_of(catalogue)
    change(catalogue, before, after)

    found = list(problems(catalogue, sources))
    assert found
    assert found[0].startswith(problem), found


def test_an_update_keeps_what_is_translated_and_says_what_is_new(catalogue: Path) -> None:
    sources = sources_of(catalogue)
    sources.add("Saved, all of it.")
    catalogue.write_bytes(updated(catalogue, sources))

    again = read_po(catalogue.open("rb"))
    assert again["Saved."].string == "保存しました。"
    assert "Saved, all of it." in again
    assert b"Date" not in catalogue.read_bytes()
    assert catalogue.read_bytes() == updated(catalogue, sources)
