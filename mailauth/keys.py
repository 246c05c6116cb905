"""Keys of DKIM and ARC: public ones as DNS publishes them, private ones that sign (RFC 6376, 8301, 8463)."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from mailauth import tags

MIN_RSA_BITS = 1024
"""Signatures by shorter keys are never valid (RFC 8301 section 3.2)."""
MAX_RSA_BITS = 8192
"""Twice what a verifier must take (RFC 8301 section 3.2); longer ones only cost time."""
MAX_RECORD = 4096
"""Octets of a key record; one of an 8192-bit key has about 1,450."""

_PADDING = PKCS1v15()
_HASH = Prehashed(SHA256())


class Algorithm(Enum):
    """Signature algorithms that count. rsa-sha1 never does (RFC 8301 section 3.1)."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


class KeyProblem(Enum):
    """Why a record of DNS is no key to verify with."""

    SYNTAX = "the key record is malformed"
    VERSION = "the record is of another version"
    REVOKED = "the key is revoked"
    UNKNOWN_TYPE = "the key is of an unknown type"
    NOT_FOR_MAIL = "the key is not for mail"
    WRONG_HASH = "the key is not for SHA-256"
    UNREADABLE = "the key cannot be read"
    TOO_SHORT = "the key is shorter than 1024 bits"
    TOO_LONG = "the key is longer than 8192 bits"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key from DNS.

    testing: `t=y`, its signatures count as none. strict: `t=s`, the identity's domain is exactly
    the signing domain.
    """

    algorithm: Algorithm
    key: RSAPublicKey | Ed25519PublicKey
    bits: int
    testing: bool
    strict: bool

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether the signature is this key's over the SHA-256 digest."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, digest, _PADDING, _HASH)
            else:
                # RFC 8463 section 3: what Ed25519 signs is the digest.
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=2048)
def read_record(record: bytes) -> PublicKey | KeyProblem:  # noqa: PLR0911 - a rule each
    """Read a key record (RFC 6376 section 3.6.1); keys are loaded once."""
    if len(record) > MAX_RECORD:
        return KeyProblem.TOO_LONG
    try:
        found = tags.parse(record)
    except tags.TagListError:
        return KeyProblem.SYNTAX
    # "v=": this tag MUST be the first, and its value DKIM1, compared octet for octet.
    if b"v" in found and (next(iter(found)) != b"v" or found[b"v"] != b"DKIM1"):
        return KeyProblem.VERSION
    if b"p" not in found:
        return KeyProblem.SYNTAX
    material = tags.compact(found[b"p"])
    if not material:
        return KeyProblem.REVOKED
    if b"h" in found and b"sha256" not in _listed(found[b"h"]):
        return KeyProblem.WRONG_HASH
    if b"s" in found and not {b"*", b"email"} & _listed(found[b"s"]):
        return KeyProblem.NOT_FOR_MAIL
    flags = _listed(found.get(b"t", b""))
    try:
        octets = b64decode(material, validate=True)
        loaded = _load(found.get(b"k", b"rsa"), octets)
    except (Base64Error, ValueError, UnsupportedAlgorithm, OverflowError):
        return KeyProblem.UNREADABLE
    if isinstance(loaded, KeyProblem):
        return loaded
    algorithm, key, bits = loaded
    return PublicKey(algorithm, key, bits, testing=b"y" in flags, strict=b"s" in flags)


def _listed(value: bytes) -> set[bytes]:
    return {item.strip(b" \t\r\n") for item in value.split(b":")}


def _load(kind: bytes, octets: bytes) -> tuple[Algorithm, RSAPublicKey | Ed25519PublicKey, int] | KeyProblem:
    if kind == b"ed25519":
        # RFC 8463 section 4.2: the 32 octets themselves.
        return Algorithm.ED25519, Ed25519PublicKey.from_public_bytes(octets), 256
    if kind != b"rsa":
        return KeyProblem.UNKNOWN_TYPE
    if len(octets) < MIN_RSA_BITS // 8:
        return KeyProblem.TOO_SHORT
    key = load_der_public_key(octets)
    if not isinstance(key, RSAPublicKey):
        return KeyProblem.UNREADABLE
    if key.key_size < MIN_RSA_BITS:
        return KeyProblem.TOO_SHORT
    if key.key_size > MAX_RSA_BITS:
        return KeyProblem.TOO_LONG
    return Algorithm.RSA, key, key.key_size


class SigningKey:
    """A private key of a domain and the selector under which DNS publishes its public half.

    Made once and kept; `sign` may be called from several threads at the same time.
    """

    __slots__ = ("_key", "algorithm", "domain", "selector")

    def __init__(self, key: RSAPrivateKey | Ed25519PrivateKey, domain: str, selector: str) -> None:
        self._key = key
        self.algorithm = Algorithm.RSA if isinstance(key, RSAPrivateKey) else Algorithm.ED25519
        self.domain = domain
        self.selector = selector

    @classmethod
    def from_pem(cls, pem: bytes, domain: str, selector: str) -> "SigningKey":
        """Load a key that `to_pem` wrote, or any unencrypted PEM of an RSA or Ed25519 key.

        The key must come from our own store: its numbers are not checked again, which would take
        50 ms. Raises ValueError if it is no such key.
        """
        try:
            key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("no unencrypted private key") from error
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise ValueError("neither an RSA nor an Ed25519 key")  # noqa: TRY004 - the PEM is wrong
        return cls(key, domain, selector)

    @classmethod
    def generate(cls, algorithm: Algorithm, domain: str, selector: str, bits: int = 2048) -> "SigningKey":
        """Make a new key. bits: of an RSA key."""
        if algorithm is Algorithm.ED25519:
            return cls(Ed25519PrivateKey.generate(), domain, selector)
        return cls(generate_private_key(65537, bits), domain, selector)

    def to_pem(self) -> bytes:
        """Return the key as PKCS #8 without encryption; whoever stores it encrypts it."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def record_name(self) -> str:
        """Where DNS publishes the public half (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record to publish there; strings of more than 255 octets are split by whoever writes it."""
        public = self._key.public_key()
        if isinstance(public, RSAPublicKey):
            return "v=DKIM1; k=rsa; p=" + _base64(
                public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            )
        return "v=DKIM1; k=ed25519; p=" + _base64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest."""
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(digest, _PADDING, _HASH)
        return self._key.sign(digest)


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")
