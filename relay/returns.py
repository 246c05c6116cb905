"""Mail that comes back: to a rewritten sender, or to the sender of mail of our own."""

import asyncio

from relay.accept import Accepted
from relay.counters import Counters
from relay.directory import Directory
from relay.message import Message
from relay.outcome import About, Kind, Result, about
from relay.report import addresses_in, is_answer, status_of, write_report


class Returns:
    """Reads what comes back. hostname: ours, for reports."""

    def __init__(self, directory: Directory, counters: Counters, hostname: str) -> None:
        self._directory = directory
        self._counters = counters
        self._hostname = hostname

    async def read(self, message: Message, accepted: Accepted) -> Message | None:
        """Return what is to be passed on to the original sender; None for nothing.

        A bounce that names a mailbox behind an alias is replaced by a report of ours, other mail
        is returned as it came. A bounce of our own mail is counted, and goes no further. Raises
        DirectoryUnavailable.
        """
        if accepted.bounced:
            self._count(accepted.bounced, message.body)
            message.free()
            return None
        if is_answer(message):
            return message
        # On a thread: a bounce may carry a message of many megabytes.
        named = await asyncio.to_thread(addresses_in, message.body)
        aliases = await self._directory.aliases_of(named)
        if not aliases:
            return message
        status = status_of(message.body)
        for recipient in aliases:
            self._count(recipient, message.body)
        message.free()
        sender = accepted.target.recipients[0]
        report = write_report(self._hostname, _the_one_meant(aliases, named), sender, status)
        return Message(None, report, smtputf8=not report.isascii())

    def _count(self, recipient: str, body: bytes | bytearray) -> None:
        status = status_of(body)
        if status.startswith("4"):
            result = Result(Kind.DEFERRED, status, About.WAY)
        else:
            result = Result(Kind.REFUSED, status, about(status))
        self._counters.note(None, recipient, result)


def _the_one_meant(aliases: dict[str, str], named: list[str]) -> str:
    """Of the aliases that lead to the addresses in a bounce, the one that the bounce names itself, if any."""
    candidates = sorted(set(aliases.values()))
    return next((alias for alias in candidates if alias in named), candidates[0])
