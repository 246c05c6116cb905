"""No second copy: which recipients already have a message that is not finished (design, The relay, 4).

Marks exist for unfinished messages only and live in memory. `relay.shared` copies the ones that
matter to Valkey, for other processes and for after a crash.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Protocol

from relay.limits import Limits
from relay.message import Message

_WEEK = 7 * 86_400


class State(StrEnum):
    """What is known of one message and one recipient."""

    PENDING = "pending"
    """Our final dot is out, the reply is not here."""
    SERVED = "served"
    """The recipient's server said 250."""
    ALONE = "alone"
    """No state of a message: this alias is to be asked in a transaction of its own."""


@dataclass(frozen=True)
class Mark:
    """State, since when, and until when it counts (seconds since 1970)."""

    state: State
    since: float
    until: float


class Shared(Protocol):
    """The marks that outlive one session; `relay.shared` keeps them."""

    @property
    def is_empty(self) -> bool: ...
    def has(self, index: bytes) -> bool: ...
    def get(self, fingerprint: bytes) -> Mark | None: ...
    def put(self, index: bytes, fingerprint: bytes, mark: Mark) -> None: ...
    def drop(self, index: bytes, fingerprint: bytes) -> None: ...


class Keys:
    """Keyed hashes. The key is of the secret and the week's number, so that old hashes say nothing."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock
        self._week = -1
        self._keys: tuple[bytes, bytes] = (b"", b"")

    def present(self) -> tuple[bytes, bytes]:
        """Return this week's key and last week's."""
        week = int(self._clock() // _WEEK)
        if week != self._week:
            self._week = week
            self._keys = (self._key(week), self._key(week - 1))
        return self._keys

    def _key(self, week: int) -> bytes:
        return blake2b(f"marks of week {week}".encode(), key=self._secret[:64], digest_size=32).digest()


def keyed(key: bytes, *parts: bytes | str) -> bytes:
    """Hash parts under a key, each with its length in front so that no two lists look alike."""
    hasher = blake2b(key=key, digest_size=16)
    for part in parts:
        octets = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        hasher.update(len(octets).to_bytes(4, "big") + octets)
    return hasher.digest()


Place = tuple[str, str]
"""An alias and one recipient behind it."""


class Marks:
    """All marks of a process. One instance, used on the event loop only."""

    def __init__(
        self, keys: Keys, shared: Shared, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self.keys = keys
        self.shared = shared
        self.limits = limits
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self._open: dict[tuple[str, str, bytes], list[Unfinished]] = {}

    def open(self, message: Message, aliases: Iterable[str]) -> "Unfinished":
        """Begin to keep marks for a message to these aliases."""
        unfinished = Unfinished(self, message, tuple(aliases))
        if message.message_id:
            for alias in unfinished.aliases:
                self._open.setdefault((unfinished.sender, alias, message.message_id), []).append(unfinished)
        return unfinished

    def close(self, unfinished: "Unfinished") -> None:
        """Forget a message whose marks are dropped, or kept by `shared`."""
        for alias in unfinished.aliases:
            key = (unfinished.sender, alias, unfinished.message_id)
            others = [other for other in self._open.get(key, ()) if other is not unfinished]
            if others:
                self._open[key] = others
            else:
                self._open.pop(key, None)

    def others(self, unfinished: "Unfinished", alias: str) -> "list[Unfinished]":
        """Return what else is open in this process and may be the same message to the same alias."""
        known = self._open.get((unfinished.sender, alias, unfinished.message_id), ())
        return [other for other in known if other is not unfinished] if len(known) > 1 else []

    def ask_alone(self, sender: str, alias: str) -> None:
        """Remember for a day that `alias` must be asked in a transaction of its own."""
        now = self.clock()
        mark = Mark(State.ALONE, now, now + self.limits.alone_for)
        fingerprint = self._alone(self.keys.present()[0], sender, alias)
        self.shared.put(fingerprint, fingerprint, mark)

    def must_ask_alone(self, sender: str, alias: str) -> bool:
        """Whether `ask_alone` was said of them."""
        return not self.shared.is_empty and any(
            self.shared.get(self._alone(key, sender, alias)) is not None for key in self.keys.present()
        )

    def asked_alone(self, sender: str, alias: str) -> None:
        """Forget it: it is used once."""
        for key in self.keys.present():
            fingerprint = self._alone(key, sender, alias)
            self.shared.drop(fingerprint, fingerprint)

    @staticmethod
    def _alone(key: bytes, sender: str, alias: str) -> bytes:
        return keyed(key, "alone", sender, alias)


class Unfinished:
    """The marks of one message in one session, and what earlier tries have left of it."""

    def __init__(self, marks: Marks, message: Message, aliases: tuple[str, ...]) -> None:
        self._marks = marks
        self._message = message
        self.sender = message.sender_path
        self.message_id = message.message_id
        self.aliases = aliases
        self._own: dict[Place, Mark] = {}
        self._earlier: list[tuple[bytes, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_shared = False
        self._is_settled = False
        self._may_free = False

    def known(self, alias: str, recipient: str) -> Mark | None:
        """Return what another try has left for this message and recipient, in any process."""
        if not self.message_id:
            return None
        for other in self._marks.others(self, alias):
            mark = other._own.get((alias, recipient))
            if mark is not None and other.digest is not None and other.digest == self.digest:
                return mark
        shared = self._marks.shared
        if shared.is_empty:
            return None
        for key in self._marks.keys.present():
            index = self._index(key, alias)
            if not shared.has(index) or self.digest is None:
                continue
            fingerprint = self._fingerprint(key, alias, recipient)
            mark = shared.get(fingerprint)
            if mark is not None and mark.until > self._marks.clock():
                self._earlier.append((index, fingerprint))
                return mark
        return None

    def claim(self, places: Sequence[Place]) -> bool:
        """Set *pending* right before our final dot; False when another try came first."""
        if not self.message_id:
            return True
        if any(self.known(*place) is not None for place in places):
            return False
        for place in places:
            self._set(place, State.PENDING, self._marks.limits.pending_for)
        return True

    def served(self, places: Sequence[Place], others_open: bool) -> None:
        """A recipient's server has said 250.

        others_open: other recipients are still tried, so the mark must outlive a crash from now on.
        """
        if not self.message_id:
            return
        for place in places:
            self._set(place, State.SERVED, self._marks.limits.served_for)
        if others_open and not self._is_shared:
            self._share_in(self._marks.limits.share_served_after)
        self._close_if_done()

    def dropped(self, places: Sequence[Place]) -> None:
        """The try ended without a 250: refused, deferred, or the connection lost."""
        for place in places:
            if self._own.pop(place, None) is not None and self._is_shared:
                self._share_drop(place)
        self._close_if_done()

    def settle(self, is_clean: bool) -> None:
        """The session went on or ended.

        is_clean: the client has our 250, so nothing is left to remember. Otherwise what is served
        is kept for days, and what is pending until its reply.
        """
        if self._is_settled:
            return
        self._is_settled = True
        if is_clean:
            for place in list(self._own):
                self.dropped([place])
            for earlier in self._earlier:
                self._marks.shared.drop(*earlier)
        elif self._own:
            self._share()
        self._close_if_done()

    def may_free(self) -> None:
        """The message is written everywhere it goes: its octets are needed for a hash at most."""
        self._may_free = True
        if self._is_settled or self._is_shared or not self.message_id:
            self._message.free()

    @property
    def digest(self) -> bytes | None:
        """The hash of the message, made when first asked for."""
        return self._message.digest

    def _set(self, place: Place, state: State, lasts: float) -> None:
        now = self._marks.clock()
        self._own[place] = Mark(state, now, now + lasts)
        if self._is_shared:
            self._share_put(place)
        elif self._timer is None:
            self._share_in(self._marks.limits.share_after)

    def _share_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._marks.loop.call_later(seconds, self._share)

    def _share(self) -> None:
        """Let other processes see the marks from now on."""
        self._is_shared = True
        for place in self._own:
            self._share_put(place)
        if self._may_free:
            self._message.free()

    def _share_put(self, place: Place) -> None:
        if self.digest is not None:
            key = self._marks.keys.present()[0]
            index, fingerprint = self._index(key, place[0]), self._fingerprint(key, *place)
            self._marks.shared.put(index, fingerprint, self._own[place])

    def _share_drop(self, place: Place) -> None:
        if self.digest is not None:
            for key in self._marks.keys.present():  # the week may have turned since
                self._marks.shared.drop(self._index(key, place[0]), self._fingerprint(key, *place))

    def _close_if_done(self) -> None:
        if not self._is_settled or any(mark.state is State.PENDING for mark in self._own.values()):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._marks.close(self)
        self._message.free()

    def _index(self, key: bytes, alias: str) -> bytes:
        """Found without the body's hash: most messages need none."""
        return keyed(key, "index", self.sender, alias, self.message_id)[:8]

    def _fingerprint(self, key: bytes, alias: str, recipient: str) -> bytes:
        return keyed(key, self.sender, alias, recipient, self.digest or b"")
