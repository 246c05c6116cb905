"""Keys for one purpose each, and hashes made with them."""

import hashlib
import hmac
import secrets


def derive_key(secret: str, purpose: str) -> bytes:
    """Make a 32-octet key for one purpose out of a secret of the settings (HMAC as a PRF)."""
    return hmac.digest(secret.encode(), b"waypost " + purpose.encode(), hashlib.sha256)


def keyed_hash(key: bytes, *parts: str) -> str:
    """Return the hex HMAC-SHA256 of the parts; their lengths go in, so `ab, c` is not `a, bc`."""
    framed = b"".join(b"%d:" % len(data) + data for data in (part.encode() for part in parts))
    return hmac.new(key, framed, hashlib.sha256).hexdigest()


def token_hash(token: str) -> str:
    """Return what is stored of a random token, so that reading the database gives nobody a session."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """Return 256 random bits, in characters that suit a link or a cookie."""
    return secrets.token_urlsafe(32)


def equal(one: str, other: str) -> bool:
    """Compare two strings in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
