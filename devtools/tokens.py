"""JSON Web Tokens signed by hand (RFC 7515, RFC 7518), so that right and wrong ones can be made.

Nothing here is shared with the product: what its libraries accept was made by another hand.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Claims = dict[str, Any]


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def left_half(text: str) -> str:
    """An `at_hash` (OpenID Connect Core 1.0 §3.1.3.6) for the algorithms with SHA-256."""
    return encode(hashlib.sha256(text.encode()).digest()[:16])


class SigningKey:
    """A key pair; `algorithm` is RS256 or ES256."""

    def __init__(self, kid: str, algorithm: str = "RS256", bits: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._rsa = rsa.generate_private_key(65537, bits) if algorithm == "RS256" else None
        self._ec = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else None

    def public(self) -> Claims:
        """The public key as a JWK."""
        common = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self._rsa:
            numbers = self._rsa.public_key().public_numbers()
            return common | {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        assert self._ec
        point = self._ec.public_key().public_numbers()
        return common | {"kty": "EC", "crv": "P-256", "x": _number(point.x, 32), "y": _number(point.y, 32)}

    def pem(self) -> bytes:
        """The public key as PEM: what a confused verifier would take as an HMAC secret."""
        key = self._rsa or self._ec
        assert key
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: Claims, **header: Any) -> str:
        """A token; `header` changes its header."""
        signed = _input({"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | header, claims)
        if self._rsa:
            return f"{signed}.{encode(self._rsa.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"
        assert self._ec
        r, s = decode_dss_signature(self._ec.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def unsigned(claims: Claims, **header: Any) -> str:
    """A token with `alg: none`."""
    return f"{_input({'alg': 'none'} | header, claims)}."


def with_secret(claims: Claims, secret: bytes, **header: Any) -> str:
    """A token with HS256."""
    signed = _input({"alg": "HS256", "typ": "JWT"} | header, claims)
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _input(header: Claims, claims: Claims) -> str:
    return ".".join(encode(json.dumps(part).encode()) for part in (header, claims))


def _number(value: int, length: int | None = None) -> str:
    return encode(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))
