"""Functions that a test has a real worker run, and that break."""

from core.database import connection, utc_now
from core.models import Recipient
from workers import jobs

ADDRESS = "ada.private@home.example.net"


def store_twice() -> None:
    """Break the rule that a person's address stands there once: PostgreSQL names the address in its error."""
    with connection():
        first = Recipient.select().get()
        fields = {"address": ADDRESS, "address_key": first.address_key, "added_at": utc_now()}
        Recipient.create(person=first.person_id, **fields)


def store_twice_in_a_worker() -> None:
    """The same in a process of which nothing is ready yet."""
    jobs._begin()
    store_twice()
