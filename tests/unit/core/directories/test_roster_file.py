"""core.directories.roster_file: what is taken, and a sentence for whatever is not"""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.directories.roster_file import MAX_FILE, MAX_LINE, Entry, Roster, RosterProblem, read_roster
from core.facts import Answer

TOML = """\
[[people]]
id = "248289761001"
name = "ada"
display_name = "Ada Bell"
teams = ["members", "web"]
code_of_conduct = true

[[people]]
email = "Bruno@Home.example.net"
name = "bruno"
"""
CSV = """\
id,email,name,display_name,teams,code_of_conduct
248289761001,,ada,Ada Bell,members web,yes
,Bruno@Home.example.net,bruno,,,
"""
ADA = Entry("ada", "248289761001", None, "Ada Bell", frozenset({"members", "web"}), Answer.YES)
BRUNO = Entry("bruno", None, "bruno@home.example.net")


@pytest.fixture
def write(tmp_path):
    """Writes a file and returns its path."""

    def write(content: str | bytes, name: str = "roster.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def complaint(write):
    """Reads a file that cannot be used; returns what is said of it."""

    def complaint(content: str | bytes, name: str = "roster.toml") -> str:
        with pytest.raises(RosterProblem) as caught:
            read_roster(write(content, name))
        return str(caught.value)

    return complaint


def person(**fields: str) -> str:
    """A person in TOML, as given."""
    lines = {"id": '"1"', "name": '"ada"'} | fields
    return "[[people]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value)


# -- what is taken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TOML, "roster.toml"),
        (CSV, "roster.csv"),
        (CSV.replace(",", ";"), "roster.csv"),
        ("\ufeff" + CSV.replace("\n", "\r\n"), "roster.csv"),
        (CSV + "\n\n", "roster.csv"),
        (CSV.replace("Ada Bell", '"Ada Bell"'), "roster.csv"),
    ],
    ids=["toml", "csv", "semicolons", "from a spreadsheet", "empty lines", "quoted"],
)
def test_both_formats_say_the_same(write, content, name):
    assert read_roster(write(content, name)) == Roster((ADA, BRUNO))


def test_a_display_name_may_hold_separators_and_line_breaks(write):
    text = 'id,name,display_name\n1,ada,"Bell, Ada\nof the ""North"""\n2,bruno,\n'
    ada, bruno = read_roster(write(text, "roster.csv")).entries

    assert ada.display_name == 'Bell, Ada\nof the "North"'
    assert bruno.subject == "2"


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("yes", Answer.YES),
        ("TRUE", Answer.YES),
        ("No", Answer.NO),
        ("false", Answer.NO),
        ("", Answer.UNKNOWN),
    ],
)
def test_the_code_of_conduct_in_csv(write, word, answer):
    roster = read_roster(write(f"id,name,code_of_conduct\n1,ada,{word}\n", "roster.csv"))

    assert roster.entries[0].coc_signed is answer


def test_the_most_people_that_a_file_can_hold(write):
    many = "id,name,teams\n" + "".join(f"{n},p{n},members\n" for n in range(MAX_FILE // 24))

    assert len(read_roster(write(many, "roster.csv")).entries) == MAX_FILE // 24


# -- who is who -----------------------------------------------------------------------------------


def test_a_subject_goes_before_an_address():
    roster = Roster((ADA, BRUNO))

    assert roster.find("248289761001", "bruno@home.example.net") is ADA
    assert roster.find("other", "bruno@home.example.net") is BRUNO
    assert roster.find("other", "BRUNO@HOME.EXAMPLE.NET") is BRUNO


@pytest.mark.parametrize("address", [None, "", "other@home.example.net", "no address", "ada"])
def test_nobody_is_found_by_less(address):
    assert Roster((ADA, BRUNO)).find("other", address) is None


def test_a_subject_is_compared_letter_for_letter():
    roster = Roster((Entry("ada", "AbC"),))

    assert roster.find("AbC", None) is not None
    assert roster.find("abc", None) is None
    assert roster.find("AbC ", None) is None


# -- files that say nothing -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["roster.toml", "roster.csv"])
@pytest.mark.parametrize("content", ["", "\n", "  \n\n", "\ufeff\n"])
def test_an_empty_file(complaint, content, name):
    assert complaint(content, name) == "The roster file is empty."


@pytest.mark.parametrize(
    ("content", "name"), [("people = []\n", "roster.toml"), ("id,name\n", "roster.csv")], ids=["toml", "csv"]
)
def test_a_file_without_people(complaint, content, name):
    assert complaint(content, name) == "The roster holds nobody."


@pytest.mark.parametrize(("content", "name"), [(TOML, "roster.toml"), (CSV, "roster.csv")])
def test_a_file_cut_anywhere_inside_a_line_is_not_taken(complaint, content, name):
    for end in range(1, len(content)):
        if content[end - 1] != "\n":
            assert complaint(content[:end], name)


def test_a_file_of_another_kind(complaint):
    assert complaint(TOML, "roster.yaml") == "A roster file is named .toml or .csv."


def test_a_missing_file(tmp_path):
    with pytest.raises(RosterProblem, match="not there"):
        read_roster(tmp_path / "roster.toml")


def test_a_folder(tmp_path):
    with pytest.raises(RosterProblem, match="not a plain file"):
        read_roster(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "roster.toml")
    said: list[str] = []

    def read() -> None:
        try:
            read_roster(tmp_path / "roster.toml")
        except RosterProblem as problem:
            said.append(str(problem))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert said == ["The roster is not a plain file."]


def test_a_file_without_end():
    with pytest.raises(RosterProblem, match="not a plain file"):
        read_roster(Path("/dev/zero"))


def test_a_huge_file(complaint):
    assert "larger than" in complaint("#" * (MAX_FILE + 1))


def test_a_path_that_cannot_be(tmp_path):
    with pytest.raises(RosterProblem, match="cannot be read"):
        read_roster(tmp_path / "nul\0.toml")


# -- hostile content ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TOML.encode("utf-16"), "Line 1 is not UTF-8"),
        (TOML.replace("Ada", "Ädä").encode("latin-1"), "Line 4 is not UTF-8"),
        ("a = " + "[" * 900 + "\n", "no TOML"),
        ("a = " + "{a=" * 300 + "\n", "no TOML"),
        ("a = " + "1" * 900 + "\n", "nothing else"),
        (("a." * 490)[:-1] + " = 1\n", "nothing else"),
        ("a" * (MAX_LINE + 1) + "\n", "Line 1 has more than"),
        ("a = 1\na = 2\n", "no TOML"),
        ("name = '\x07'\n", "Line 1 has a control character"),
        ("name = '\0'\n", "Line 1 has a control character"),
        ("people = 1\n", "must hold [[people]] tables and nothing else"),
        ("people = [1]\n", "must hold [[people]] tables and nothing else"),
        ("[people]\nname = 'ada'\n", "must hold [[people]] tables and nothing else"),
        (TOML + "[teams]\nmembers = ['ada']\n", "must hold [[people]] tables and nothing else"),
    ],
)
def test_odd_toml(complaint, content, said):
    assert said in complaint(content)


def test_long_keys_on_every_line_take_no_long_time(complaint):
    """tomllib walks a dotted key by the square of its length: lines are short, and the file is small."""
    key = ".".join("a" for _ in range(MAX_LINE // 2 - 5))
    lines = "".join(f"x{n}.{key}=1\n" for n in range(MAX_FILE // MAX_LINE - 10))

    assert "nothing else" in complaint(lines)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,name\n1,ada,members\n", "Line 2 has 3 fields, the first line has 2"),
        ("id,name\n1\n", "Line 2 has 1 fields, the first line has 2"),
        ("id,nickname\n1,ada\n", "The first line must name columns out of"),
        ("id,id,name\n1,1,ada\n", "The first line must name columns out of"),
        ("1,ada\n2,bruno\n", "The first line must name columns out of"),
        ('id,name\n1,"ada\n', "is no CSV: look at its quotation marks"),
        ('id,name\n1,"ada"x\n', "is no CSV: look at its quotation marks"),
        ("id,name,display_name\n1,ada,=HYPERLINK(1)\n", "Line 2 has a field that begins with ="),
        ("id,name,display_name\n1,ada,+1\n", "Line 2 has a field that begins with ="),
        ("id,name,display_name\n1,ada,-1\n", "Line 2 has a field that begins with ="),
        ("id,name,display_name\n1,ada,@SUM(A1)\n", "Line 2 has a field that begins with ="),
        ('id,name,display_name\n1,ada,"\t=1"\n', "Line 2 has a field that begins with ="),
        ("id,name\n1.12345E+20,ada\n", "a long number that a spreadsheet has rounded"),
        ("id,name,code_of_conduct\n1,ada,perhaps\n", "`code_of_conduct` must be"),
        ("id;name\n1;ada,bruno\n", "`name` must be"),
    ],
)
def test_odd_csv(complaint, content, said):
    assert said in complaint(content, "roster.csv")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "`name` must be"),
        ({"name": '"Ada"'}, "`name` must be"),
        ({"name": '"ada bell"'}, "`name` must be"),
        ({"name": '"-ada"'}, "`name` must be"),
        ({"name": f'"{"a" * 65}"'}, "`name` must be"),
        ({"name": '"ada\\n"'}, "`name` must be"),
        ({"name": "1"}, "`name` must be"),
        ({"id": ""}, "exactly one of `id` and `email`"),
        ({"email": '"a@home.example.net"'}, "exactly one of `id` and `email`"),
        ({"id": '""'}, "`id` must be a text"),
        ({"id": "248289761001"}, "`id` must be a text"),
        ({"id": '"ä"'}, "`id` must be a text"),
        ({"id": '"a\\nb"'}, "`id` must be a text"),
        ({"id": f'"{"1" * 256}"'}, "`id` must be a text"),
        ({"id": "", "email": '"no address"'}, "`email` is no mail address"),
        ({"id": "", "email": "[1]"}, "`email` is no mail address"),
        ({"display_name": "1"}, "`display_name` must be a text"),
        ({"teams": '"members"'}, "`teams` must be names of teams"),
        ({"teams": "[1]"}, "`teams` must be names of teams"),
        ({"teams": '["Members"]'}, "`teams` must be names of teams"),
        ({"teams": '["a b"]'}, "`teams` must be names of teams"),
        ({"code_of_conduct": '"yes"'}, "`code_of_conduct` must be true or false"),
        ({"code_of_conduct": "1"}, "`code_of_conduct` must be true or false"),
        ({"team": '["members"]'}, "only id, email, name"),
    ],
)
def test_a_person_with_an_odd_field(complaint, fields, said):
    assert said in complaint(person(**fields))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"id": '"2"'}, "Person 2: this `name` is also that of person 1."),
        ({"name": '"bruno"'}, "Person 2: this `id` is also that of person 1."),
    ],
)
def test_nobody_is_in_it_twice(complaint, second, said):
    assert complaint(person() + person(**second)) == said


def test_an_address_in_two_spellings_is_one(complaint):
    first = person(id="", email='"Ada@home.example.net"')
    second = person(id="", email='"ada@HOME.example.net"', name='"bruno"')

    assert complaint(first + second) == "Person 2: this `email` is also that of person 1."


def test_every_fault_is_said_up_to_twenty(write):
    with pytest.raises(RosterProblem) as caught:
        read_roster(write(person(name="1", teams="2") * 30))

    assert len(caught.value.sentences) == 20
    assert caught.value.sentences[2].startswith("Person 2: `name`")


def test_no_sentence_holds_an_address(complaint):
    said = complaint(
        person(email='"private@home.example.net"', teams="1") + person(id="", email='"private@x"')
    )

    assert "private" not in said


@given(st.binary(max_size=300), st.sampled_from(["roster.toml", "roster.csv"]))
def test_whatever_it_is_it_is_read_or_refused(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        assert read_roster(path).entries
    except RosterProblem as problem:
        assert all(sentence.endswith(".") for sentence in problem.sentences)


@given(st.text(alphabet='idname,;"\n=+@ 1éx', max_size=80))
def test_whatever_follows_a_header_is_read_or_refused(tmp_path_factory, rest):
    path = tmp_path_factory.getbasetemp() / "roster.csv"
    path.write_text("id,name,teams\n" + rest)
    try:
        roster = read_roster(path)
    except RosterProblem:
        return
    assert all(entry.subject and entry.name for entry in roster.entries)
