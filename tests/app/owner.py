"""Somebody who has claimed an address, and what they do on its page."""

from core.models import Alias, AliasRecipient, Recipient
from devtools.accounts import Account
from tests.support.page import Element, faults_of
from tests.support.records import person_of
from tests.support.webclient import Answer, Client


class Owner:
    """Somebody with an address, in front of its page."""

    def __init__(self, client: Client, account: Account) -> None:
        self.client = client
        client.sign_in(account.name)
        client.post("/domains/ubuntu.com/claim")
        self.person = person_of(account)
        self.alias = Alias.get(Alias.person == self.person)
        self.path = f"/addresses/{self.alias.id}"

    def press(self, what: str, htmx: bool = False, /, **fields: object) -> Answer:
        """Send one of the page's forms."""
        return self.client.post(f"{self.path}/{what}", fields, on=self.path if htmx else "")

    def add(self, text: str, htmx: bool = False) -> Answer:
        """Add a recipient."""
        return self.press("recipients", htmx, recipient=text)

    def change(self, what: str, recipient: object, htmx: bool = False) -> Answer:
        """Press `remove`, `up` or `down` at a recipient, given by its row's id."""
        if what == "remove":
            return self.press(f"recipients/{recipient}/remove", htmx)
        return self.press(f"recipients/{recipient}/move", htmx, way=what)

    @property
    def addresses(self) -> list[str]:
        """The recipients' addresses, in order."""
        rows = AliasRecipient.select().where(AliasRecipient.alias == self.alias)
        return [row.recipient.address for row in rows.order_by(AliasRecipient.position)]

    def recipient(self, address: str) -> Recipient:
        """The row of one of them."""
        return Recipient.get(Recipient.person == self.person, Recipient.address == address)


def assert_form(answer: Answer, htmx: bool) -> Element:
    """Hold that it is the part that HTMX swaps, or the whole page; return the part."""
    assert answer.is_whole_page is not htmx
    if not htmx:
        assert faults_of(answer.page) == []
    return answer.page.one("section", id="address")
