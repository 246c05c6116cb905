"""Looks whether DNS shows the signing keys: a waiting one comes into use, a missing one is reported.

Safe to run twice at once and to kill at any line: each key's step is one guarded write.
"""

from datetime import datetime, timedelta

import dns.resolver

from core.audit import Actor
from core.database import connection, write
from core.dns_asking import Outcome
from core.domains import look_up_texts, uses_of
from core.models import DkimKey
from core.notices import tell_ops
from core.settings import Settings
from core.signing_keys import State, is_shown, live_keys, open_key, put_in_use, state_of

MISSING_FOR = timedelta(hours=1)
"""Two looks at least so far apart must find a record missing before anybody is told."""


def check_keys(actor: Actor, settings: Settings, resolver: dns.resolver.Resolver, now: datetime) -> None:
    """Look for the record of each key that waits or is in use, and do what follows.

    A name that is not ours any more is left alone. Temporary trouble of DNS changes nothing.
    """
    with connection():
        keys = [key for key in live_keys() if uses_of(key.domain, settings)]
    for key in keys:
        outcome = look_for_key(key, resolver)
        with connection():
            if state_of(key) is State.IN_USE:
                _watch(key, outcome, now)
            elif outcome is Outcome.FOUND and open_key(key, settings.record_secret) is not None:
                put_in_use(actor, key, now)


def look_for_key(key: DkimKey, resolver: dns.resolver.Resolver) -> Outcome:
    """Look whether DNS shows a key; network work, writes nothing."""
    texts = look_up_texts(resolver, key.record_name)
    if texts is None:
        return Outcome.UNKNOWN
    return Outcome.FOUND if is_shown(key, texts) else Outcome.ABSENT


def _watch(key: DkimKey, outcome: Outcome, now: datetime) -> None:
    """Note whether DNS shows a key in use; when it is missing for long, tell the ops address once a day."""
    this = DkimKey.id == key.id
    if outcome is Outcome.FOUND and key.missing_since is not None:
        with write():
            DkimKey.update(missing_since=None).where(this).execute()
    elif outcome is Outcome.ABSENT and key.missing_since is None:
        with write():
            DkimKey.update(missing_since=now).where(this, DkimKey.missing_since.is_null()).execute()
    elif outcome is Outcome.ABSENT and now - key.missing_since >= MISSING_FOR:
        with write():
            day = f"{now:%Y-%m-%d}"
            tell_ops("signing-key-missing", None, {"key": key.id}, f"signing-key-missing:{key.id}:{day}", now)
