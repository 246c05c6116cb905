"""A fresh sign-in before a dangerous change: the person has just proven who they are.

The provider says when they gave their password (PAPE `max_auth_age=0`, OIDC `max_age=0`). Where it was
asked to and does not, a code does instead, sent to where the person's mail goes already.
"""

from datetime import datetime, timedelta

from core.database import write
from core.models import Alias, AliasRecipient, Person, Recipient, Session
from core.notices import can_be_told, tell_recipient, tell_sign_in_address
from core.ownership import NotYours, lock_person
from core.roles import first_recipient
from core.secrets import derive_key, equal, keyed_hash
from core.translation import N_, ToldError

FRESH_FOR = timedelta(minutes=10)
CODE_LASTS = timedelta(minutes=15)
CODE_AGAIN_AFTER = timedelta(minutes=1)
MAX_TRIES = 5
CODE = "sign-in-code"


class CodeProblem(ToldError):
    """No code is sent, or the code does not count; the message says why, for the person."""


def is_fresh(session: Session, now: datetime, within: timedelta = FRESH_FOR) -> bool:
    """Whether the person has proven who they are in this session within the last while."""
    proven = session.authenticated_at
    return proven is not None and timedelta() <= now - proven <= within


def guards_mail(person: Person) -> bool:
    """Whether mail goes to a mailbox of the person's: before that none can be led elsewhere."""
    own = Alias.person == person
    imported = AliasRecipient.select().join(Recipient).switch(AliasRecipient).join(Alias)
    imported = imported.where(own, Recipient.imported_at.is_null(False))
    return first_recipient(person) is not None or bool(imported.exists())


def code_goes_to(session: Session) -> str | None:
    """Return where a code for this session is sent; None when no code may stand in, or none can be sent."""
    if not session.asked_anew:
        return None
    recipient = first_recipient(session.person)
    if recipient is not None:
        return str(recipient.address)
    return str(session.person.sign_in_email) if can_be_told(session.person) else None


def send_code(session_id: int, now: datetime) -> None:
    """Put a mail with a code into the outbox, once a minute at most; an earlier code stops counting.

    Raises CodeProblem when it is too early, or when no code may stand in for a sign-in.
    """
    with write():
        session = _locked(session_id)
        if code_goes_to(session) is None:
            raise CodeProblem(N_("No code can be sent for this sign-in. Please write to the admins."))
        if session.code_sent_at is not None and now - session.code_sent_at < CODE_AGAIN_AFTER:
            raise CodeProblem(N_("A code was sent less than a minute ago. Look at the junk folder too."))
        session.code_sent_at, session.code_tries = now, 0
        session.save()
        person, ids, key = session.person, {"session": session.id}, code_key(session)
        recipient: Recipient | None = first_recipient(person)
        if recipient is not None:
            tell_recipient(recipient, CODE, ids, key, now)
        else:
            tell_sign_in_address(person, CODE, ids, key, now)


def code_key(session: Session) -> str:
    """Return the unique key of the mail with the session's present code."""
    sent_at = int(session.code_sent_at.timestamp()) if session.code_sent_at is not None else 0
    return f"{CODE}:{session.id}:{sent_at}"


def code_of(session: Session, secret_key: str) -> str:
    """Return the session's present code, eight digits: made when its mail is rendered, stored nowhere."""
    key = derive_key(secret_key, "sign-in code")
    return f"{int(keyed_hash(key, session.token_hash, code_key(session)), 16) % 10**8:08d}"


def enter_code(session_id: int, typed: str, secret_key: str, now: datetime) -> None:
    """Take a code as a fresh sign-in. Raises CodeProblem for a wrong or an old one, and after five tries."""
    with write():
        session = _locked(session_id)
        sent_at = session.code_sent_at
        lives = sent_at is not None and now - sent_at <= CODE_LASTS and session.code_tries < MAX_TRIES
        digits = "".join(typed.split()).replace("-", "")
        right = lives and equal(digits, code_of(session, secret_key))
        if right:
            session.authenticated_at, session.code_sent_at = now, None
        else:
            session.code_tries += 1
        session.save()
    if not lives:
        raise CodeProblem(N_("This code does not count any more. Ask for a new one."))
    if not right:
        raise CodeProblem(N_("This is not the code of the newest mail."))


def _locked(session_id: int) -> Session:
    """Load a session anew and lock its person; raises NotYours when it has ended."""
    session = Session.get_or_none(Session.id == session_id)
    if session is None:
        raise NotYours("this session has ended")
    lock_person(session.person_id)
    return Session.get_by_id(session_id)
