"""core.import_runs"""

import pytest

from core import import_file, import_runs
from core.audit import Actor, first_fault
from core.import_file import FileProblem
from core.import_rules import Fate
from core.import_runs import (
    State,
    approve,
    begin,
    counts_of,
    discard,
    find,
    recent,
    report_of,
    unfinished,
    work_on,
)
from core.models import Alias, AuditEntry, Domain, ImportLine, ImportRun, Reservation
from core.ownership import NotYours
from core.sweep import IMPORTS_LAST, sweep
from tests.support.arrange import later, make_domain
from tests.support.killed import Killed, kill_at

ADMIN = Actor.person(1)
TEXT = b"ada@proj.example,a@x.example,ada\nbob@proj.example,bob@proj.example,bob\n"


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


def work(run: ImportRun, now) -> ImportRun:
    work_on(run.id, ImportRun.get_by_id(run.id).state, now)
    return ImportRun.get_by_id(run.id)


def test_a_list_is_judged_then_waits_for_a_word_then_is_brought_in(domain, now):
    run = begin(ADMIN, TEXT, later(now, days=-30), now)
    assert unfinished() == [(run.id, State.CHECKING)]

    run = work(run, now)
    assert (run.state, run.lines, run.done) == (State.CHECKED, 2, 2)
    assert counts_of(run) == {Fate.NEW: 1, Fate.LOOP: 1}
    assert unfinished() == []
    assert not Alias.select().exists()
    assert work(run, now).state == State.CHECKED

    run = work(approve(ADMIN, run.id, now), now)
    assert (run.state, run.content, run.done) == (State.DONE, None, 2)
    assert counts_of(run) == {Fate.RESERVED: 1, Fate.LOOP: 1}
    assert Reservation.get().listed_at == later(now, days=-30)
    verbs = [
        row.verb
        for row in AuditEntry.select().where(AuditEntry.verb.contains("import")).order_by(AuditEntry.id)
    ]
    assert verbs == ["import-brought", "import-approved", "alias-imported"]
    assert first_fault() is None


def test_the_report_names_no_recipient(domain, now):
    work(
        begin(ADMIN, b"ada@proj.example,secret@x..example,ada\neve@proj.example,s@x.example,e\n", None, now),
        now,
    )

    assert ImportLine.select().count() == 2
    assert not [row for row in ImportLine.select() if "secret" in f"{row.address} {row.detail}"]


def test_nothing_is_brought_in_without_a_word_and_nothing_twice(domain, now):
    run = begin(ADMIN, TEXT, None, now)
    with pytest.raises(NotYours):
        approve(ADMIN, run.id, now)
    work(run, now)
    approve(ADMIN, run.id, now)
    for decide in (approve, discard):
        with pytest.raises(NotYours):
            decide(ADMIN, run.id, now)
        with pytest.raises(NotYours):
            decide(ADMIN, 2**31 - 1, now)


def test_a_list_that_is_forgotten_while_it_is_judged_stays_so(domain, now, monkeypatch):
    run = begin(ADMIN, TEXT, None, now)
    real = import_runs.judge

    def judge(lines):
        discard(ADMIN, run.id, now)
        return real(lines)

    monkeypatch.setattr(import_runs, "judge", judge)
    work_on(run.id, State.CHECKING, now)

    assert not ImportRun.select().exists()
    assert not ImportLine.select().exists()


def test_a_job_that_was_killed_while_it_judged_begins_again(domain, now, monkeypatch):
    monkeypatch.setattr(import_runs, "LINES_AT_ONCE", 1)
    run = begin(ADMIN, TEXT, None, now)
    kill_at(monkeypatch, import_runs, "_store", 2)
    with pytest.raises(Killed):
        work_on(run.id, State.CHECKING, now)
    assert ImportLine.select().count() == 1

    run = work(run, now)

    assert (run.state, run.done) == (State.CHECKED, 2)
    assert ImportLine.select().count() == 2


def test_what_cannot_be_read_is_said(domain, now, monkeypatch):
    run = work(begin(ADMIN, b"address,note\nx,y\n", None, now), now)
    assert (run.state, run.content) == (State.BROKEN, None)
    assert "recipients" in run.problem
    for content in (b"", b" \n"):
        with pytest.raises(FileProblem):
            begin(ADMIN, content, None, now)
    monkeypatch.setattr(import_runs, "MAX_OCTETS", 5)
    with pytest.raises(FileProblem):
        begin(ADMIN, TEXT, None, now)
    assert import_file.MAX_OCTETS > 5


def test_lists_are_shown_newest_first_without_their_files(domain, now):
    runs = [begin(ADMIN, TEXT, None, now) for _ in range(3)]

    assert [row.id for row in recent().rows] == [run.id for run in reversed(runs)]
    assert find(runs[0].id).content is None
    assert find(2**31 - 1) is None
    work(runs[0], now)
    assert [line.number for line in report_of(runs[0]).rows] == [1, 2]
    assert [line.number for line in report_of(runs[0], Fate.LOOP).rows] == [2]


def test_after_a_month_a_list_and_its_report_go(domain, now):
    work(begin(ADMIN, TEXT, None, now), now)
    begin(ADMIN, TEXT, None, later(now, days=3))

    sweep(now + IMPORTS_LAST + (later(now, seconds=1) - now))

    assert ImportRun.select().count() == 1
    assert not ImportLine.select().exists()
