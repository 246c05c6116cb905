"""Brings one message to one recipient: finds the hosts of the domain and tries them in order."""

from collections.abc import Sequence

from relay.client import ClientError, Mail
from relay.limits import Limits
from relay.mx import DnsError, Host, MailExchangers
from relay.outcome import DELIVERED, Kind, Result, result_of
from relay.pool import Pool, Steps, Unavailable


class Courier:
    """Tries the hosts of a recipient's domain, or the smarthost.

    our_names: host names by which others may call us. smarthost: (host, port) that takes everything.
    """

    def __init__(
        self,
        pool: Pool,
        exchangers: MailExchangers,
        limits: Limits,
        our_names: Sequence[str],
        smarthost: tuple[str, int] | None = None,
    ) -> None:
        self._pool = pool
        self._exchangers = exchangers
        self._limits = limits
        self._our_names = tuple(our_names)
        self._smarthost = smarthost

    async def bring(self, mail: Mail, steps: Steps = None) -> Result:
        """Try hosts until one takes the message or says never, or the final dot is out."""
        try:
            hosts = await self._hosts(mail.recipient)
        except DnsError as error:
            if steps is not None:
                steps("dns", f"{type(error).__name__} {error}")
            return result_of(error, self._our_names)
        best: Result | None = None
        for host in hosts[: self._limits.hosts]:
            try:
                await self._pool.send(host, mail, steps)
            except (ClientError, Unavailable) as error:
                result = result_of(error, self._our_names)
                if mail.is_dot_sent or not result.may_try_elsewhere:
                    return result
                if best is None or (best.kind is Kind.REFUSED and result.kind is Kind.DEFERRED):
                    best = result  # where one host lacks an extension, another may have it later
            else:
                return DELIVERED
        return best or Result(Kind.DEFERRED, "4.4.4")

    async def _hosts(self, recipient: str) -> list[Host]:
        if self._smarthost is not None:
            return await self._exchangers.addresses(*self._smarthost)
        return await self._exchangers.hosts(recipient.rpartition("@")[2])
