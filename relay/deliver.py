"""Hands a message to every recipient of a transaction, and decides what its sender hears.

Each recipient is a task of its own: one whose final dot is out goes on when the sender is gone.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.routing import Order, Reply
from relay import faults
from relay.client import Mail
from relay.counters import Counters
from relay.courier import Courier
from relay.fingerprint import Mark, Marks, Place, State
from relay.limits import Limits
from relay.message import Message
from relay.outcome import AliasResult, Kind, Result, Verdict, alias_result, first_result, verdict
from relay.pool import Steps
from relay.trace import Tracer

TransactionSteps = Callable[[str, str, str], None] | None
"""Hears each step of a transaction: recipient, stage, and the other server's words."""

_UNDER_WAY = Result(Kind.DEFERRED, "4.4.7")
_INTERRUPTED = Result(Kind.DEFERRED, "4.4.2")
_NOT_TOLD = Verdict(Reply(451, "4.3.0", "Something is out of order here, try again later"))


@dataclass(frozen=True)
class Target:
    """One RCPT that was accepted.

    name: the alias, or the address itself where no alias is behind it. sender: the path of the
    envelope sender toward the recipients. marks: the aliases whose loop mark a copy carries.
    refused: what is known at once, before any try (the mail has passed this alias already, say).
    head: the fields that stand on top of a copy.
    """

    name: str
    recipients: tuple[str, ...]
    sender: str
    alias_id: int | None = None
    order: Order = Order.ALL
    marks: tuple[str, ...] = ()
    refused: Result | None = None
    head: bytes = b""

    @property
    def domain(self) -> str:
        """The domain of the alias."""
        return self.name.rpartition("@")[2]


@dataclass(frozen=True)
class Delivery:
    """What a transaction needs of its process."""

    courier: Courier
    marks: Marks
    counters: Counters
    tracer: Tracer
    limits: Limits


class _Try:
    """One recipient of a transaction, whichever aliases lead there: it gets one copy."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.targets: list[Target] = []
        self.task: asyncio.Task[Result] | None = None

    @property
    def places(self) -> list[Place]:
        return [(target.name, self.mail.recipient) for target in self.targets]

    @property
    def result(self) -> Result | None:
        """How it ended, None while it runs."""
        if self.task is None or not self.task.done():
            return None
        return _INTERRUPTED if self.task.cancelled() else self.task.result()


@dataclass
class _Line:
    """A target and how far it has come: a result or a running try for each recipient asked so far."""

    target: Target
    slots: list[Result | _Try] = field(default_factory=list)

    def results(self) -> list[Result]:
        """Return one result a slot; a try that still runs counts as deferred."""
        return [
            slot
            if isinstance(slot, Result)
            else slot.result or (_UNDER_WAY if slot.mail.is_dot_sent else _INTERRUPTED)
            for slot in self.slots
        ]


class Transaction:
    """One message on its way to all its targets.

    message: stays in memory until it is written everywhere it goes. answer_by: when its sender must
    have an answer, in seconds of the event loop's clock. steps: hears each step as it is made, for our
    own mail: recipient, stage, and the other server's words; at the end of a try "result" with its kind
    and code.
    """

    def __init__(
        self,
        delivery: Delivery,
        message: Message,
        targets: Sequence[Target],
        answer_by: float,
        steps: TransactionSteps = None,
    ) -> None:
        self._delivery = delivery
        self._message = message
        self._answer_by = answer_by
        self._steps = steps
        self._lines = [_Line(target) for target in targets]
        self._tries: dict[str, _Try] = {}
        self._running = 0
        self._finished = asyncio.get_running_loop().create_future()
        self._marks = delivery.marks.open(message, [target.name for target in targets])

    async def run(self) -> Verdict:
        """Deliver, and return what the sender hears, at the latest at `answer_by`.

        Afterwards say by `settle` whether the sender has heard it.
        """
        for line in self._lines:
            self._advance(line)
        if self._running:
            timer = self._finished.get_loop().call_at(self._answer_by, self.interrupt)
            try:
                await self._finished
            finally:
                timer.cancel()
                self._release()
        said = await self._conclude()
        if said.reply.code != 250:
            self.settle(is_clean=False)
        self._marks.may_free()
        return said

    def interrupt(self) -> None:
        """Wait no longer: time is up, or the sender is gone."""
        if not self._finished.done():
            self._finished.set_result(None)

    def settle(self, is_clean: bool) -> None:
        """Say whether the sender has our 250 (it went on or said QUIT), or left without a sign."""
        self._marks.settle(is_clean)

    def _advance(self, line: _Line) -> None:
        """Start what a target waits for."""
        target = line.target
        if line.slots:
            while target.order is Order.FIRST and len(line.slots) < len(target.recipients):
                last = line.slots[-1]
                result = last.result if isinstance(last, _Try) else last
                if result is None or result.kind is not Kind.REFUSED:
                    return
                line.slots.append(self._ask(target, target.recipients[len(line.slots)]))
            return
        if target.refused is not None:
            line.slots = [target.refused]
            return
        known = [self._known(target, recipient) for recipient in target.recipients]
        if target.order is Order.ALL:
            line.slots = [
                self._ask(target, recipient) if result is None else result
                for recipient, result in zip(target.recipients, known, strict=True)
            ]
        elif settled := [result for result in known if result is not None]:
            line.slots = [min(settled, key=lambda result: result.kind is not Kind.DELIVERED)]
        else:
            line.slots = [self._ask(target, target.recipients[0])]
            self._advance(line)

    def _known(self, target: Target, recipient: str) -> Result | None:
        """What an earlier try has left."""
        mark: Mark | None = self._marks.known(target.name, recipient)
        if mark is None:
            return None
        if mark.state is State.SERVED:
            return Result(Kind.DELIVERED, first_try=mark.since)
        return _UNDER_WAY

    def _ask(self, target: Target, recipient: str) -> Result | _Try:
        """Try a recipient, or join the try that another target has begun."""
        attempt = self._tries.get(recipient)
        if attempt is None:
            attempt = self._tries[recipient] = _Try(self._mail(target, recipient))
            attempt.mail.before_dot = lambda: self._marks.claim(attempt.places)
            attempt.targets.append(target)
            self._running += 1
            attempt.task = asyncio.ensure_future(self._bring(attempt))
            attempt.task.add_done_callback(self._one_done)
            return attempt
        attempt.targets.append(target)
        if (result := attempt.result) is None:
            return attempt
        if result.kind is Kind.DELIVERED:
            self._marks.served([(target.name, recipient)], others_open=self._running > 0)
        return result

    def _mail(self, target: Target, recipient: str) -> Mail:
        message = self._message
        ways = {
            mark for line in self._lines if recipient in line.target.recipients for mark in line.target.marks
        }
        return Mail(
            target.sender,
            recipient,
            target.head + self._delivery.tracer.loop_fields(sorted(ways)),
            message.body,
            message.is_8bit,
            not (target.sender.isascii() and recipient.isascii())
            or (message.smtputf8 and message.has_8bit_header),
            message.has_dot_lines,
        )

    async def _bring(self, attempt: _Try) -> Result:
        """One try, to its very end, whoever still waits for it."""
        steps = self._steps_of(attempt)
        try:
            result = await self._delivery.courier.bring(attempt.mail, steps)
        except asyncio.CancelledError:
            result = _INTERRUPTED
        except Exception as error:  # noqa: BLE001  # a fault of ours must not lose mail: the sender tries again
            faults.report("bring", error)
            result = Result(Kind.DEFERRED, "4.3.0")
        if steps is not None:
            steps("result", f"{result.kind} {result.enhanced}")
        attempt.mail.body = b""
        if result.kind is Kind.DELIVERED:
            self._marks.served(attempt.places, others_open=self._running > 1)
        else:
            self._marks.dropped(attempt.places)
        for target in attempt.targets:
            self._delivery.counters.note(target.alias_id, attempt.mail.recipient, result)
        return result

    def _steps_of(self, attempt: _Try) -> Steps:
        if (steps := self._steps) is None:
            return None

        def note(stage: str, words: str) -> None:
            if not self._finished.done():  # what comes after the sender's answer has no place to go
                steps(attempt.mail.recipient, stage, words)

        return note

    def _one_done(self, _: asyncio.Task[Result]) -> None:
        self._running -= 1
        if self._finished.done():
            return
        for line in self._lines:
            self._advance(line)
        if not self._running:
            self._finished.set_result(None)

    def _release(self) -> None:
        """Let tries whose final dot is out wait for their reply a while; end all others."""
        for attempt in self._tries.values():
            if attempt.task is None or attempt.task.done():
                continue
            if attempt.mail.is_dot_sent:
                _wait_for_late_reply(attempt.task, self._delivery.limits.late_reply)
            else:
                attempt.task.cancel()

    async def _conclude(self) -> Verdict:
        limits, clock = self._delivery.limits, self._delivery.marks.clock
        results: list[AliasResult] = []
        left_out: list[tuple[int | None, list[tuple[str, str]]]] = []
        for line in self._lines:
            tries, target = line.results(), line.target
            if target.order is Order.FIRST:
                results.append(first_result(tries))
                continue
            results.append(alias_result(tries, clock(), limits.defer_until))
            places = results[-1].left_out
            left_out.append((target.alias_id, [(target.recipients[p], tries[p].enhanced) for p in places]))
        try:
            for alias_id, recipients in left_out:
                if recipients:
                    await self._delivery.counters.left_out(alias_id, recipients)
        except Exception as error:  # noqa: BLE001  # nobody could be told, so nothing may be left out
            faults.report("left out", error)
            return _NOT_TOLD
        said = verdict(results)
        for place in said.ask_alone:
            self._delivery.marks.ask_alone(self._message.sender_path, self._lines[place].target.name)
        return said


_late: set[asyncio.Task[Result]] = set()
"""Tries that still wait for a late reply: the event loop itself holds tasks only weakly."""


def _wait_for_late_reply(task: asyncio.Task[Result], patience: float) -> None:
    timer = task.get_loop().call_later(patience, task.cancel)

    def done(_: asyncio.Task[Result]) -> None:
        timer.cancel()
        _late.discard(task)

    _late.add(task)
    task.add_done_callback(done)
