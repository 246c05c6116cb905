"""A browser without a window that signs in by OpenID Connect, and what its refusals look like."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.auth import oidc
from core.database import utc_now
from core.directories import Deadline
from core.models import Identity, Person
from core.secrets import new_token
from core.settings import Settings
from devtools.accounts import Account
from devtools.oidc import PretendOidc
from tests.support.page import faults_of
from tests.support.webclient import Answer, Client, Fields


@dataclass(frozen=True)
class OidcAttempt:
    """A sign-in under way: what the portal asked of the provider."""

    url: str

    @property
    def asked(self) -> Fields:
        """The fields of the authorization request."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def back(self, **fields: str) -> str:
        """The address of an answer with these fields and the state."""
        return f"{self.asked['redirect_uri']}?{urlencode({'state': self.asked['state'], **fields})}"


class OidcClient(Client):
    """One browser at a portal with an OIDC provider."""

    provider: PretendOidc

    def start(self, next_page: str | None = None, **fields: str) -> Answer:
        """Press the sign-in button."""
        return self.post("/login", fields if next_page is None else {"next": next_page, **fields})

    def leave(self, next_page: str | None = None, **fields: str) -> OidcAttempt:
        """Press the sign-in button; the browser would now go on to the provider."""
        sent = self.start(next_page, **fields)
        assert sent.status == 200, sent.text
        _, _, url = sent.header("Refresh").partition("url=")
        assert sent.page.one("a", class_="p-button--positive")["href"] == url
        return OidcAttempt(url)

    def come_in(self, person: str, next_page: str | None = None) -> Answer:
        """Sign in the ordinary way; return the page on which that ends."""
        back = self.get(self.provider.answer(self.leave(next_page).asked, person))
        self.forget_token()
        return self.follow(back)


def assert_refused(answer: Answer, client: Client, status: int = 400, words: str = "") -> None:
    """Hold that the page says what to do, gives nothing away, and opened no session."""
    assert answer.status == status, answer.text
    assert answer.is_whole_page
    assert faults_of(answer.page) == []
    assert answer.page.one("a", class_="p-button--positive")["href"] == "/login"
    assert "Traceback" not in answer.html
    assert words in answer.text
    assert "waypost" not in client.cookies or not client.is_signed_in


def arrived(settings: Settings, member: Account, provider: PretendOidc, seconds: float = 4) -> str:
    """Sign in within this process; return the subject. Raises OpenIDRefused."""
    state = new_token()
    deadline = Deadline(seconds)
    attempt = OidcAttempt(oidc.request_url(settings, state, deadline))
    back = urlsplit(provider.answer(attempt.asked, member.name))
    return oidc.check_answer(settings, dict(parse_qsl(back.query)), state, deadline, utc_now()).subject


def person_of(account: Account) -> Person:
    """Return the person who signed in by an account's subject."""
    return Identity.get(Identity.subject == account.suffixes[0]).person  # type: ignore[no-any-return]
