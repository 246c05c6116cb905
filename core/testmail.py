"""A test mail: the owner of an alias sends it to themselves, along the whole path."""

from datetime import datetime, timedelta

from core.database import write
from core.letters import Letter, write_test_mail
from core.ownership import lock_person, own_alias
from core.settings import Settings

TEST_EVERY = timedelta(minutes=1)
"""A person may send one so often, whatever their addresses."""


class TooSoon(Exception):
    """The last one is too fresh; nothing was written."""


def begin_test(person_id: int, alias_id: int, settings: Settings, now: datetime) -> Letter:
    """Return a test mail to one's own alias, to be submitted now.

    Raises TooSoon, and NotYours when the alias is not the person's.
    """
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        if person.tested_at is not None and now - person.tested_at < TEST_EVERY:
            raise TooSoon
        person.tested_at = now
        person.save()
        return write_test_mail(alias, settings, now)
