"""The private keys of our domains, read from the database now and then."""

from collections.abc import Callable, Iterable

from mailauth.keys import SigningKey

Load = Callable[[], Iterable[SigningKey]]
"""Reads the keys in use, one a domain; blocks, and raises when it cannot."""


class Keyring:
    """The keys of one process. Without a key for a domain, its mail goes unsealed."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._keys: dict[str, SigningKey] = {}

    def refresh(self) -> None:
        """Read them again; on a thread, since it waits for the database. Keeps what it has on an error."""
        self._keys = {key.domain: key for key in self._load()}

    def of(self, domain: str) -> SigningKey | None:
        """Return the key of exactly this domain."""
        return self._keys.get(domain)

    def of_author(self, domain: str) -> SigningKey | None:
        """Return the key of a domain or of the nearest one above it (DMARC's relaxed alignment)."""
        while domain:
            if domain in self._keys:
                return self._keys[domain]
            domain = domain.partition(".")[2]
        return None
