"""The relay with faults of its own built in, whose texts hold everything that must not get out."""

import runpy
from typing import Any

from core.addresses import Address
from relay.accept import Accepted
from relay.client import Mail
from relay.courier import Courier
from relay.outcome import Result
from relay.pool import Steps
from relay.server import Session

bring, accept = Courier.bring, Session.accept


async def bring_or_break(self: Courier, mail: Mail, steps: Steps = None) -> Result:
    if b"break delivery" in bytes(mail.body):
        raise RuntimeError(f"{mail.sender} {mail.recipient} {bytes(mail.body)!r}")
    return await bring(self, mail, steps)


async def accept_or_break(self: Any, address: Address) -> Accepted:
    if "break" in address.local_part:
        raise ValueError(f"{self._sender} wrote to {address}")
    accepted: Accepted = await accept(self, address)
    return accepted


Courier.bring = bring_or_break  # type: ignore[method-assign]
Session.accept = accept_or_break  # type: ignore[method-assign]
runpy.run_module("relay", run_name="__main__")
