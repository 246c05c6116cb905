"""A portal in the test's own process, without the outside world."""

from datetime import datetime

from flask import Flask
from flask.testing import FlaskClient

from core.database import connection, utc_now, write
from core.models import Person
from core.sessions import open_session


def browser_of(app: Flask, person: Person, authenticated_at: datetime) -> FlaskClient:
    """Return a browser in which somebody is signed in, who gave their password at some moment."""
    client = app.test_client()
    with connection(), write():
        token = open_session(person, utc_now(), authenticated_at)
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
    return client
