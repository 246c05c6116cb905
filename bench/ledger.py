"""The accounts of `bench.chaos`: who was told what, what arrived, and the judgement over both."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.routing import Order

UNSEEN = 0.020
"""Seconds for which a recipient's server may not have seen yet that the relay was killed before its 250."""


@dataclass(frozen=True)
class Plan:
    """An alias: its recipients and how it uses them."""

    name: str
    recipients: tuple[str, ...]
    order: Order


@dataclass
class Taking:
    """A recipient's server has a message: when its 250 was written; None when the reply was lost."""

    answered: float | None


@dataclass
class Ledger:
    """What happened, as the recipients' servers and the sender saw it."""

    taken: dict[tuple[int, str], list[Taking]] = field(default_factory=lambda: defaultdict(list))
    refused: set[tuple[int, str]] = field(default_factory=set)
    accepted: set[tuple[int, str]] = field(default_factory=set)
    bounced: set[tuple[int, str]] = field(default_factory=set)
    kills: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)


@dataclass
class Outcome:
    """What is left to say."""

    messages: int
    aliases_accepted: int
    aliases_bounced: int
    kills: int
    lost: int
    second_copies: int
    unexcused_copies: int
    kill_came_after_ms: list[float]
    """Of each second copy without excuse: how long after the 250 the next kill came."""
    seconds: float
    answers: dict[str, int]


def judge(ledger: Ledger, plans: Sequence[Plan], messages: int, seconds: float, excused: float) -> Outcome:
    """Hold the accounts against each other.

    excused: seconds after a recipient's 250 within which a kill may cost a second copy.
    """
    by_name = {plan.name: plan for plan in plans}
    lost = 0
    for number, alias in ledger.accepted:
        keys = [(number, recipient) for recipient in by_name[alias].recipients]
        served = [
            key for key in keys if any(taking.answered is not None for taking in ledger.taken.get(key, ()))
        ]
        if not served:
            lost += 1
    copies = {key: takings for key, takings in ledger.taken.items() if len(takings) > 1}
    second = sum(len(takings) - 1 for takings in copies.values())
    unexcused = [
        taking
        for takings in copies.values()
        for taking in takings[:-1]
        if not is_excused(taking, ledger.kills, excused)
    ]
    return Outcome(
        messages,
        len(ledger.accepted),
        len(ledger.bounced),
        len(ledger.kills),
        lost,
        second,
        len(unexcused),
        [next_kill(taking, ledger.kills) for taking in unexcused],
        round(seconds, 1),
        dict(ledger.answers.most_common()),
    )


def next_kill(taking: Taking, kills: Sequence[float]) -> float:
    """Return how many milliseconds after a 250 the next kill came, -1 for none."""
    answered = taking.answered or 0
    return next((round((kill - answered) * 1000, 1) for kill in kills if kill >= answered), -1)


def is_excused(taking: Taking, kills: Sequence[float], excused: float) -> bool:
    """Whether the next copy may follow on this one."""
    if taking.answered is None:
        return True
    place = bisect.bisect_left(kills, taking.answered - UNSEEN)
    return place < len(kills) and kills[place] - taking.answered <= excused
