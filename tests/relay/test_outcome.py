"""The table of what the sender hears (design, The relay, 3), line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client import Rejected, Stage
from relay.outcome import (
    About,
    AliasResult,
    Kind,
    Result,
    about,
    alias_result,
    first_result,
    permanent_reply,
    result_of,
    temporary_reply,
    verdict,
)
from relay.wire import Answer

HOUR = 3600.0
NOW = 1_800_000_000.0
TAKEN = Result(Kind.DELIVERED)
LATER = Result(Kind.DEFERRED, "4.2.2")
NEVER = Result(Kind.REFUSED, "5.1.1", About.MAILBOX)
NAMES = ("mx.proj.example",)


def earlier(hours: float) -> Result:
    return Result(Kind.DELIVERED, first_try=NOW - hours * HOUR)


@pytest.mark.parametrize(
    ("results", "kind", "left_out"),
    [
        ([TAKEN], Kind.DELIVERED, ()),
        ([TAKEN, TAKEN], Kind.DELIVERED, ()),
        ([TAKEN, NEVER], Kind.DELIVERED, (1,)),
        ([NEVER, TAKEN, NEVER], Kind.DELIVERED, (0, 2)),
        ([TAKEN, LATER], Kind.DEFERRED, ()),
        ([TAKEN, LATER, NEVER], Kind.DEFERRED, ()),
        ([earlier(3.9), LATER], Kind.DEFERRED, ()),
        ([earlier(4.1), LATER], Kind.DELIVERED, (1,)),
        ([earlier(4.1), LATER, NEVER], Kind.DELIVERED, (1, 2)),
        ([LATER], Kind.DEFERRED, ()),
        ([LATER, NEVER], Kind.DEFERRED, ()),
        ([NEVER], Kind.REFUSED, ()),
        ([NEVER, NEVER], Kind.REFUSED, ()),
        ([], Kind.DEFERRED, ()),
    ],
)
def test_one_alias(results, kind, left_out):
    result = alias_result(results, NOW, 4 * HOUR)
    assert (result.kind, result.left_out) == (kind, left_out)


@given(st.lists(st.sampled_from([TAKEN, LATER, NEVER, earlier(1), earlier(5)]), min_size=1))
def test_invariant_1_an_alias_is_served_only_if_a_server_took_it(results):
    """Invariant 1: and whoever was left out refused for good, or has deferred for 4 hours."""
    result = alias_result(results, NOW, 4 * HOUR)
    if result.kind is Kind.DELIVERED:
        assert any(each.kind is Kind.DELIVERED for each in results)
        missing = {place for place, each in enumerate(results) if each.kind is not Kind.DELIVERED}
        assert set(result.left_out) == missing
        if any(results[place].kind is Kind.DEFERRED for place in missing):
            assert earlier(5) in results
    if result.kind is Kind.REFUSED:
        assert all(each.kind is Kind.REFUSED for each in results)


@pytest.mark.parametrize(
    ("results", "kind"),
    [
        ([TAKEN], "delivered"),
        ([NEVER, TAKEN], "delivered"),
        ([NEVER, LATER], "deferred"),
        ([NEVER, NEVER], "refused"),
    ],
)
def test_one_alias_that_delivers_to_the_first(results, kind):
    assert first_result(results).kind == kind


SERVED, WAITS, DEAD = (
    AliasResult(Kind.DELIVERED, "2.0.0"),
    AliasResult(Kind.DEFERRED, "4.2.2"),
    AliasResult(Kind.REFUSED, "5.2.1"),
)


@pytest.mark.parametrize(
    ("aliases", "code", "enhanced", "alone"),
    [
        ([SERVED, SERVED], 250, "2.0.0", ()),
        ([DEAD], 550, "5.2.1", ()),
        ([DEAD, DEAD], 550, "5.2.1", ()),
        ([SERVED, WAITS], 451, "4.2.2", ()),
        ([WAITS, DEAD], 451, "4.2.2", ()),
        ([SERVED, DEAD], 451, "4.5.3", (1,)),
        ([DEAD, SERVED, DEAD], 451, "4.5.3", (0, 2)),
    ],
)
def test_several_aliases(aliases, code, enhanced, alone):
    said = verdict(aliases)
    assert (said.reply.code, said.reply.enhanced, said.ask_alone) == (code, enhanced, alone)


@pytest.mark.parametrize(
    ("stage", "code", "lines", "kind", "enhanced", "what"),
    [
        (Stage.CONTENT, 554, ["5.7.1 policy"], "refused", "5.7.1", "message"),
        (Stage.CONTENT, 451, ["4.7.1 greylisted, try in 300 s"], "deferred", "4.7.1", "way"),
        (Stage.CONTENT, 421, ["4.3.2 closing"], "deferred", "4.3.2", "way"),
        (Stage.RCPT, 550, ["5.1.1 no", "5.1.1 such user"], "refused", "5.1.1", "mailbox"),
        (Stage.RCPT, 550, ["unknown"], "refused", "5.1.1", "mailbox"),
        (Stage.RCPT, 550, ["4.1.1 wrong class"], "refused", "5.1.1", "mailbox"),
        (Stage.RCPT, 450, ["busy"], "deferred", "4.2.0", "way"),
        (Stage.RCPT, 552, ["5.2.2 full"], "refused", "5.2.2", "mailbox"),
        (Stage.MAIL, 552, ["5.3.4 too big"], "refused", "5.3.4", "message"),
        (Stage.MAIL, 550, ["5.1.8 bad sender"], "refused", "5.1.8", "message"),
        (Stage.CONTENT, 550, ["5.6.1 no such type"], "refused", "5.6.1", "message"),
        (Stage.CONTENT, 554, ["no code at all"], "refused", "5.0.0", "message"),
        (Stage.GREETING, 554, ["5.7.1 no service for you"], "deferred", "4.7.0", "us"),
        (Stage.EHLO, 550, ["who are you"], "deferred", "4.7.0", "us"),
        (Stage.AUTH, 535, ["5.7.8 wrong password"], "deferred", "4.7.0", "us"),
        (Stage.MAIL, 550, ["5.7.1 [192.0.2.9] is on a list"], "deferred", "4.7.0", "us"),
        (Stage.CONTENT, 550, ["5.7.1 MX.proj.example has no good name"], "deferred", "4.7.0", "us"),
        (
            Stage.CONTENT,
            550,
            ["5.7.1 amx.proj.example and mx.proj.example.net"],
            "refused",
            "5.7.1",
            "message",
        ),
        (Stage.CONTENT, 550, ["5.7.1 192.0.2.99 or 1192.0.2.9"], "refused", "5.7.1", "message"),
        (Stage.DATA, 250, ["odd"], "deferred", "4.5.0", "way"),
    ],
)
def test_b14_what_an_answer_means(stage, code, lines, kind, enhanced, what):
    """B14: permanent stays permanent, temporary temporary; a refusal about us is our business."""
    error = Rejected(stage, Answer(code, tuple(lines)))
    error.our_addresses = ("192.0.2.9",)
    result = result_of(error, NAMES)
    assert (result.kind, result.enhanced, result.about) == (kind, enhanced, what)


def test_after_the_final_dot_no_other_host_is_tried():
    for code in (421, 451, 550):
        assert not result_of(Rejected(Stage.CONTENT, Answer(code, ("x",))), NAMES).may_try_elsewhere


@pytest.mark.parametrize(
    ("enhanced", "what"),
    [
        ("5.1.1", About.MAILBOX),
        ("5.1.10", About.MAILBOX),
        ("5.2.1", About.MAILBOX),
        ("5.1.7", About.MESSAGE),
        ("5.1.8", About.MESSAGE),
        ("5.3.4", About.MESSAGE),
        ("5.6.3", About.MESSAGE),
        ("5.7.26", About.MESSAGE),
    ],
)
def test_a_recipient_is_failing_only_when_the_mailbox_is_meant(enhanced, what):
    assert about(enhanced) is what


@given(st.integers(0, 9), st.integers(0, 60))
def test_every_code_has_a_sentence_of_ours(subject, detail):
    assert str(temporary_reply(f"4.{subject}.{detail}")).startswith(f"451 4.{subject}.{detail} ")
    assert permanent_reply(f"5.{subject}.{detail}").code in (550, 552, 554, 556)
