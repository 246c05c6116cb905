"""A resolver out of a dictionary, for tests."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from mailauth.names import askable
from mailauth.resolver import Answer, Mx, Outcome

Records = Mapping[str, Iterable[tuple[str, Any]]]


class Zone:
    """Answers from (type, value) pairs by name; type TIMEOUT makes all questions for a name temporary.

    Follows CNAME; counts the questions. A type with the value None is there without records.
    """

    def __init__(self, records: Records) -> None:
        self.records = {name.lower().removesuffix("."): list(pairs) for name, pairs in records.items()}
        self.asked: list[tuple[str, str]] = []

    def _answer(self, name: str, kind: str) -> Answer[Any]:
        self.asked.append((kind, name))
        for _ in range(8):
            pairs = self.records.get(name.lower().removesuffix("."))
            if pairs is None or not askable(name):
                return Answer(Outcome.NO_SUCH_NAME)
            found = tuple(value for of, value in pairs if of == kind and value is not None)
            if found:
                return Answer(Outcome.FOUND, found)
            if any(of == "TIMEOUT" for of, _ in pairs):
                return Answer(Outcome.TEMPORARY)
            alias = next((value for of, value in pairs if of == "CNAME"), None)
            if alias is None:
                return Answer(Outcome.NO_DATA)
            name = alias
        return Answer(Outcome.TEMPORARY)

    async def txt(self, name: str) -> Answer[bytes]:
        return self._answer(name, "TXT")

    async def a(self, name: str) -> Answer[IPv4Address]:
        return self._answer(name, "A")

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return self._answer(name, "AAAA")

    async def mx(self, name: str) -> Answer[Mx]:
        return self._answer(name, "MX")

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        return self._answer(address.reverse_pointer, "PTR")


def texts(**records: str | bytes) -> Zone:
    """A zone of TXT records alone; `__` in a keyword stands for a dot."""
    return Zone(
        {
            name.replace("__", "."): [("TXT", text.encode() if isinstance(text, str) else text)]
            for name, text in records.items()
        }
    )
