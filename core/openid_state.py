"""What must be remembered between two requests of an OpenID sign-in, shared by all portal processes."""

import json
from datetime import datetime, timedelta

from peewee import IntegrityError

from core.database import write
from core.models import StashedAnswer, UsedNonce
from core.secrets import new_token, token_hash

NONCE_SKEW = timedelta(minutes=5)
NONCE_LASTS = timedelta(hours=1)
"""Kept far longer than a nonce of that age would still be taken."""
STASH_LASTS = timedelta(seconds=60)
STASH_LIMIT = 64 * 1024  # octets
STASH_MOST = 1000
"""So many answers wait at the same time at most: anybody may send one."""


class StashFull(Exception):
    """Too many answers wait at the moment; nothing was stored."""


def use_nonce(nonce: str, made_at: datetime, now: datetime) -> bool:
    """Take a response nonce, once (OpenID 2.0 §11.3).

    nonce: with the provider's address in front. Returns False when it was used before, or is older
    than five minutes or from the future.
    """
    if abs(now - made_at) > NONCE_SKEW:
        return False
    try:
        with write():
            UsedNonce.create(nonce=token_hash(nonce), seen_at=now)
    except IntegrityError:
        return False
    return True


def stash_answer(fields: dict[str, str], now: datetime) -> str:
    """Put the fields of a cross-site POST aside for a minute; return the random id to get them by.

    Raises ValueError when they are over 64 KiB, and StashFull.
    """
    text = json.dumps(fields)
    if len(text.encode()) > STASH_LIMIT:
        raise ValueError("the answer is longer than 64 KiB")
    stash_id = new_token()
    with write():
        StashedAnswer.delete().where(StashedAnswer.expires_at < now).execute()
        if StashedAnswer.select().count() >= STASH_MOST:
            raise StashFull
        StashedAnswer.create(id_hash=token_hash(stash_id), fields=text, expires_at=now + STASH_LASTS)
    return stash_id


def take_answer(stash_id: str, now: datetime) -> dict[str, str] | None:
    """Take the fields back, once; None when they are used, expired or were never there."""
    with write():
        row = StashedAnswer.get_or_none(StashedAnswer.id_hash == token_hash(stash_id))
        if row is None:
            return None
        if not StashedAnswer.delete().where(StashedAnswer.id == row.id).execute():
            return None  # another request took it at the same moment
        fields: dict[str, str] = json.loads(row.fields)
        return fields if now <= row.expires_at else None
