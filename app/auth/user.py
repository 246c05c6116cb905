"""Whom Flask-Login knows: a person in one session, found by the session's token."""

from flask_login import UserMixin
from structlog.contextvars import bind_contextvars

from app.extensions import login_manager
from app.navigation import ask_to_sign_in
from core.database import utc_now
from core.models import Person, Session
from core.sessions import find_session

login_manager.session_protection = None  # sessions are rows, and an address may change on a train


class SignedIn(UserMixin):
    """The `current_user` of a signed-in browser."""

    def __init__(self, session: Session, token: str) -> None:
        self.session = session
        self.person: Person = session.person
        self._token = token

    def get_id(self) -> str:
        """Return the session's token: it is what the cookie carries."""
        return self._token


@login_manager.user_loader
def load(token: str) -> SignedIn | None:
    """Find the session behind a cookie; None when it has ended. The request's log names the person."""
    session = find_session(token, utc_now())
    if session is None:
        return None
    user = SignedIn(session, token)
    bind_contextvars(person=user.person.id, launchpad_name=user.person.launchpad_name)
    return user


login_manager.unauthorized_handler(ask_to_sign_in)
