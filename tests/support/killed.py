"""A process that is killed in the middle of its work, as far as what it had written goes."""

from types import ModuleType
from typing import Any

import pytest


class Killed(BaseException):
    """Nothing in the product catches it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, call: int) -> None:
    """Let a function of a module work until it is called for this time (from 1 on), and raise Killed then."""
    real, calls = getattr(module, name), []

    def until_then(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == call:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(module, name, until_then)
