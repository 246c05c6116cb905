"""Mails of the outbox as they would go out, rendered by the core from the portal's database."""

import re
from dataclasses import dataclass
from email import message_from_string, policy
from email.message import EmailMessage
from functools import cached_property

from core.database import utc_now
from core.letters import write_letter
from core.models import Notice, Person, Recipient
from core.settings import Settings


class ReadMail(EmailMessage):
    """A mail of ours as a program reads it; its content is the text, as whoever shows no HTML sees it."""

    def get_content(self, *args: object, **named: object) -> str:
        """Return the text part."""
        if not self.is_multipart():
            return str(super().get_content())
        part = self.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def html(self) -> str:
        """The same as HTML."""
        part = self.get_body(("html",))
        assert part is not None
        return str(part.get_content())


def read_mail(raw: bytes) -> ReadMail:
    """Parse a mail."""
    read = policy.SMTPUTF8.clone(message_factory=ReadMail)
    return message_from_string(raw.decode(), policy=read)  # type: ignore[return-value]


@dataclass(frozen=True)
class Mail:
    """One mail, byte for byte."""

    to: str
    raw: bytes

    @cached_property
    def message(self) -> ReadMail:
        """The mail, parsed."""
        return read_mail(self.raw)

    @property
    def text(self) -> str:
        """Its words."""
        return str(self.message.get_content())

    @property
    def link(self) -> str:
        """The one verification link in it."""
        links = re.findall(r"https?://\S+/recipients/verify/\S+", self.text)
        assert len(links) == 1, links
        return str(links[0])


def proof_mails(recipient: Recipient, settings: Settings) -> list[Mail]:
    """Return the verification mails for a recipient that still say something, oldest first."""
    return _written(settings, kind="verify-recipient", recipient=recipient)


def mails_about(person: Person, kind: str, settings: Settings) -> list[Mail]:
    """Return the mails of one kind that concern a person, oldest first."""
    return _written(settings, kind=kind, person=person)


def _written(settings: Settings, **which: object) -> list[Mail]:
    notices = Notice.filter(**which).order_by(Notice.id)
    letters = [write_letter(notice, settings, utc_now()) for notice in notices]
    return [Mail(letter.to, letter.message) for letter in letters if letter is not None]
