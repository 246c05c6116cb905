"""core.import_file"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import import_file
from core.import_file import MAX_LINE, FileProblem, Line, read_file, shown

PLAIN = [
    Line(1, "ada@proj.example", ("ada@home.example.net",), "ada"),
    Line(2, "bob@proj.example", ("bob@home.example.net", "bob@work.example.net"), "bob"),
]
TEXT = """ada@proj.example,ada@home.example.net,ada
bob@proj.example,"bob@home.example.net, bob@work.example.net",bob
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_reads_each_encoding_and_line_end(encoding, end):
    assert read_file(TEXT.replace("\n", end).encode(encoding)) == PLAIN


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_it_finds_what_stands_between_the_cells(separator):
    text = f"ada@proj.example{separator}ada@home.example.net|ada@work.example.net{separator}ada"
    line = read_file(text.encode())[0]
    assert line.recipients == ("ada@home.example.net", "ada@work.example.net")
    assert (line.name, line.broken) == ("ada", None)


def test_a_spreadsheets_own_first_line_names_the_separator():
    text = "sep=;\nada@proj.example;a@x.example,b@x.example;ada\n"
    assert read_file(text.encode()) == [Line(2, "ada@proj.example", ("a@x.example", "b@x.example"), "ada")]


def test_a_header_says_where_the_columns_are():
    text = "Launchpad_Name;Note;Alias;Forward to\nada;old;ada@proj.example;a@x.example b@x.example\n"
    assert read_file(text.encode()) == [Line(2, "ada@proj.example", ("a@x.example", "b@x.example"), "ada")]


def test_a_header_without_a_column_that_is_needed_is_refused():
    with pytest.raises(FileProblem, match="recipients"):
        read_file(b"address,launchpad name\nada@proj.example,ada\n")


def test_umlauts_of_latin_1_are_read_as_such():
    assert read_file("ada@proj.example,Jürgen@home.example.net,ada".encode("latin-1"))[0].recipients == (
        "Jürgen@home.example.net",
    )


@pytest.mark.parametrize("name", ["ada", "~ada", "Ada", "https://launchpad.net/~ada", "launchpad.net/~ada"])
def test_a_name_is_taken_out_of_the_forms_in_which_people_write_it(name):
    read = read_file(f"ada@proj.example,a@x.example,{name}".encode())[0].name
    assert read == ("launchpad.net/~ada" if name.startswith("launchpad") else "ada")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1@proj.example,a@x.example,ada",
        "ada@proj.example,=HYPERLINK(1)@x.example,ada",
        "ada@proj.example,a@x.example;@SUM(A1)@x.example,ada",
        "ada@proj.example,a@x.example,-ada",
        "+ada@proj.example,a@x.example,ada",
    ],
)
def test_a_cell_that_is_a_formula_is_not_taken(text):
    assert "formula" in str(read_file(text.encode())[0].broken)


def test_a_broken_quote_spoils_its_own_line_only():
    lines = read_file(b'ada@proj.example,"a@x.example,ada\nbob@proj.example,b@x.example,bob\n')

    assert "quotation marks" in str(lines[0].broken)
    assert (lines[1].number, lines[1].address, lines[1].broken) == (2, "bob@proj.example", None)


def test_a_huge_field_spoils_its_own_line_only():
    huge = b"a" * (200 * 1024)
    lines = read_file(b"ada@proj.example," + huge + b",ada\nbob@proj.example,b@x.example,bob\n")

    assert f"{MAX_LINE} characters" in str(lines[0].broken)
    assert lines[1].address == "bob@proj.example"


def test_more_columns_than_three_are_refused_where_no_header_explains_them():
    line = read_file(b"ada@proj.example,a@x.example,b@x.example,ada")[0]
    assert "more than three columns" in str(line.broken)


def test_blank_lines_are_counted_and_left_out():
    text = "\n,,\nada@proj.example,a@x.example,ada\n\n"
    assert [line.number for line in read_file(text.encode())] == [3]


@pytest.mark.parametrize("data", [b"", b"\n\r\n", "\ufeff".encode(), b"sep=;\n"])
def test_an_empty_file_is_said_to_be_empty(data):
    with pytest.raises(FileProblem, match="nothing in the file"):
        read_file(data)


def test_there_is_an_end_to_octets_and_lines(monkeypatch):
    monkeypatch.setattr(import_file, "MAX_LINES", 3)
    with pytest.raises(FileProblem, match="more than 3 lines"):
        read_file(b"a@x.example,b@x.example\n" * 4)
    monkeypatch.setattr(import_file, "MAX_OCTETS", 10)
    with pytest.raises(FileProblem, match="larger"):
        read_file(b"a" * 11)


def test_a_hundred_thousand_lines_are_read():
    data = b"".join(b"p%d@proj.example,p%d@x.example,p%d\n" % (i, i, i) for i in range(100_000))
    lines = read_file(data)
    assert len(lines) == 100_000
    assert lines[-1] == Line(100_000, "p99999@proj.example", ("p99999@x.example",), "p99999")


@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused_with_a_sentence(data):
    try:
        lines = read_file(data)
    except FileProblem as problem:
        assert str(problem).endswith(".")
    else:
        assert all(shown(line.address).isprintable() for line in lines)
        assert [line.number for line in lines] == sorted({line.number for line in lines})


def test_what_is_shown_of_a_file_cannot_steer_a_terminal():
    assert shown("\x1b[2Jada\u202e") == "\ufffd[2Jada\ufffd"
    assert len(shown("a" * 5000)) == 100
