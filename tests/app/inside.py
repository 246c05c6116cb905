"""A portal in the test's own process, without the outside world."""

from datetime import datetime
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.database import connection, utc_now, write
from core.models import Person
from core.sessions import open_session
from core.settings import Settings


def app_over(database_url: str, folder: Path, settings: Settings, **more: str) -> Flask:
    """Return a portal over a database that there is, with its state in a folder. more: further settings."""
    own = {"database_url": database_url, "state_dir": folder}
    return create_app(settings.model_copy(update=own | more))


def browser_of(app: Flask, person: Person, authenticated_at: datetime) -> FlaskClient:
    """Return a browser in which somebody is signed in, who gave their password at some moment."""
    client = app.test_client()
    with connection(), write():
        token = open_session(person, utc_now(), authenticated_at)
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
    return client
