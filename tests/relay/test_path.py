"""Paths and parameters of MAIL and RCPT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import quote_local_part
from relay.path import PathError, parse_mail, parse_rcpt

OURS = "mx.proj.example"


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("TO:<ada@proj.example>", "ada@proj.example"),
        ("to: <ada@proj.example>", "ada@proj.example"),
        ("TO:<Ada@PROJ.Example>", "Ada@proj.example"),
        ('TO:<"ada"@proj.example>', "ada@proj.example"),
        ('TO:<"a b"@home.example.net>', '"a b"@home.example.net'),
        ('TO:<"a\\"b"@home.example.net>', '"a\\"b"@home.example.net'),
        ('TO:<"ada@evil.example> ORCPT=x@y"@proj.example>', '"ada@evil.example> ORCPT=x@y"@proj.example'),
        ("TO:<@evil.example:ada@proj.example>", "ada@proj.example"),
        ("TO:<@a.example,@b.example:ada@proj.example>", "ada@proj.example"),
        ("TO:<ada%evil.example@proj.example>", "ada%evil.example@proj.example"),
        ("TO:<postmaster>", "postmaster@mx.proj.example"),
        ("TO:<PostMaster>", "postmaster@mx.proj.example"),
        ("TO:<ada@bücher.example>", "ada@xn--bcher-kva.example"),
        ("TO:<ada@proj.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada@proj.example", "ada@proj.example"),
        ("TO:<ada@proj.example> notify=never", "ada@proj.example"),
        ("TO:<" + "x" * 70 + "@proj.example>", "x" * 70 + "@proj.example"),
    ],
)
def test_b50_recipients_are_parsed_as_rfc_5321_says(argument, text):
    """B50, B46: quoting, source routes, case, IDN, DSN parameters."""
    assert parse_rcpt(argument, OURS).text == text


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "TO:",
        "TO:<>",
        "FROM:<ada@proj.example>",
        "TO:<ada@>",
        "TO:<@proj.example>",
        "TO:<ada>",
        "TO:<ada@evil.example@proj.example>",
        "TO:<ada@[192.0.2.1]>",
        "TO:<ada@proj.example",
        "TO:<ada@proj.example>x",
        "TO:<a..b@proj.example>",
        "TO:<ada@proj.example> EVIL=1",
        "TO:<ada@proj.example> =1",
        "TO:<ad\udce9@proj.example>",
        'TO:<"ada@proj.example>',
    ],
)
def test_b50_other_recipients_are_refused_for_good(argument):
    """B50: never guessed at."""
    with pytest.raises(PathError) as error:
        parse_rcpt(argument, OURS)
    assert 500 <= error.value.reply.code < 600


@pytest.mark.parametrize("argument", ["FROM:<>", "FROM: <>", "FROM:<> SIZE=900", "from:<>"])
def test_b10_the_null_path_is_no_sender(argument):
    """B10: bounces come from nobody."""
    assert parse_mail(argument).sender is None


def test_b46_parameters_of_mail():
    """B46: known ones are read, those of DSN and AUTH are dropped."""
    command = parse_mail(
        "FROM:<s@example.com> SIZE=1200 BODY=8BITMIME RET=HDRS ENVID=q1+3D2 AUTH=<> SMTPUTF8"
    )
    assert (command.sender.text, command.size, command.smtputf8) == ("s@example.com", 1200, True)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("SIZE=abc", 501),
        ("SIZE=", 501),
        ("SIZE", 501),
        ("BODY=BINARY", 501),
        ("SMTPUTF8=1", 501),
        ("XYZ", 555),
    ],
)
def test_b46_bad_parameters(parameters, code):
    """B46: bad values are 501, unknown names 555."""
    with pytest.raises(PathError) as error:
        parse_mail(f"FROM:<s@example.com> {parameters}")
    assert error.value.reply.code == code


def test_senders_that_real_mail_has():
    assert parse_mail("FROM:<bounce+" + "x" * 90 + "@lists.example.com>").sender is not None
    assert parse_mail("FROM:<root@web_1.example.com>").sender.domain == "web_1.example.com"
    for impossible in ("FROM:<postmaster>", "FROM:<root@localhost>", "FROM:<a@b..example>"):
        with pytest.raises(PathError):
            parse_mail(impossible)


@given(st.text(min_size=1, max_size=30))
def test_what_is_parsed_goes_out_as_the_same_path(text):
    """B50: whatever is accepted makes a valid path of the same meaning on the wire."""
    try:
        address = parse_rcpt(f"TO:<{quote_local_part(text)}@proj.example>", OURS)
    except PathError:
        return
    assert parse_rcpt(f"TO:<{address.text}>", OURS) == address
    assert not any(ord(char) < 32 for char in address.text)


@given(st.text(max_size=60))
def test_no_argument_is_too_strange(text):
    for parse in (parse_mail, lambda argument: parse_rcpt(argument, OURS)):
        for argument in (text, "FROM:" + text, "TO:" + text, "TO:<" + text + ">"):
            try:
                parse(argument)
            except PathError as error:
                assert 500 <= error.reply.code < 600
