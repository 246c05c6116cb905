"""docs/directories.md: the rosters in it are good ones, and both say the same of ada."""

import re
from pathlib import Path

import pytest

from core.directories import Directory
from core.directories.roster_file import read_roster
from core.facts import Answer

TEXT = (Path(__file__).parents[4] / "docs" / "directories.md").read_text()


@pytest.mark.parametrize("kind", ["toml", "csv"])
def test_the_example_can_be_used(tmp_path, kind):
    (example,) = re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / f"roster.{kind}"
    file.write_text(example)

    ada, bruno = read_roster(file).entries
    assert (ada.name, ada.subject, ada.coc_signed) == ("ada", "248289761001", Answer.YES)
    assert ada.teams == {"members", "web"}
    assert (bruno.email_key, bruno.coc_signed) == ("bruno@home.example.net", Answer.UNKNOWN)


def test_every_method_of_a_directory_is_explained():
    methods = {name for name in vars(Directory) if not name.startswith("_")}

    assert methods == set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE))
