"""A directory that says what a test wants (`core.directories.Directory`)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.directories import (
    Account,
    AccountReading,
    Deadline,
    MembersReading,
    Progress,
    TeamsReading,
    no_progress,
)
from core.facts import Answer

DOWN = "status 503"


@dataclass
class SaidDirectory:
    """Says who is who and who is where; while it is `down`, everything is unknown.

    Attributes:
        accounts: by claimed id; None says clearly that there is no account.
        teams: by account name.
        people: by team name; a team that is not there is unknown.
        gone: teams of which it says clearly that there are none of that name.
        on_ask: called before each answer.
        asked: names and ids of all questions, in order.
    """

    accounts: dict[str, Account | None] = field(default_factory=dict)
    teams: dict[str, tuple[str, ...]] = field(default_factory=dict)
    people: dict[str, tuple[Account, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    down: bool = False
    on_ask: Callable[[str], None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def resolve(
        self, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
    ) -> AccountReading:
        self._note(subject)
        if self.down or subject not in self.accounts:
            return AccountReading(Answer.UNKNOWN, why=DOWN)
        account = self.accounts[subject]
        return AccountReading(Answer.YES if account else Answer.NO, account)

    def teams_of(self, name: str, deadline: Deadline) -> TeamsReading:
        self._note(name)
        if self.down or name not in self.teams:
            return TeamsReading(None, why=DOWN)
        return TeamsReading(frozenset(self.teams[name]))

    def members(self, team: str, deadline: Deadline, progress: Progress = no_progress) -> MembersReading:
        self._note(team)
        if not self.down and team in self.gone:
            return MembersReading(None, why="status 404", gone=True)
        if self.down or team not in self.people:
            return MembersReading(None, why=DOWN)
        members = self.people[team]
        progress(len(members), len(members))
        return MembersReading(members)

    def _note(self, question: str) -> None:
        self.on_ask(question)
        self.asked.append(question)
