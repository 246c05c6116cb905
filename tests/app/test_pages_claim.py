"""Claiming: in one press, with HTMX and without, and every refusal in its place with its status."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.database import utc_now, write
from core.models import Alias, AliasRecipient, Domain, Notice, Person, Recipient, ReservedName
from core.routing import Switch
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.support.arrange import make_alias
from tests.support.page import Element, faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created, person_of
from tests.support.webclient import Answer, Client

MakePerson = Callable[..., Account]
NewClient = Callable[[], Client]

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


def domain(name: str = "ubuntu.com") -> Domain:
    """Return a domain's row."""
    return Domain.get(Domain.name == name)


def claim(client: Client, name: str = "ubuntu.com", htmx: bool = False, **fields: str) -> Answer:
    """Press the button of a domain's row."""
    return client.post(f"/domains/{name}/claim", fields, on="/home" if htmx else "")


def row_of(answer: Answer, name: str = "ubuntu.com") -> Element:
    """Return a domain's row on the page or in the part."""
    return answer.page.one("article", data_domain=name)


def assert_form(answer: Answer, htmx: bool, name: str = "ubuntu.com") -> None:
    """Hold that it is the part that HTMX swaps, or the whole page."""
    assert answer.is_whole_page is not htmx
    assert row_of(answer, name)["id"] == f"domain-{name.replace('.', '-')}"
    if htmx:
        assert len(answer.page.all("article")) == 1
        assert answer.html.lstrip().startswith("<article")
    else:
        assert faults_of(answer.page) == []


@htmx_and_not
def test_one_press_is_enough(each_portal: Portal, client: Client, member: Account, htmx: bool) -> None:
    home = client.sign_in(member.name)
    form = row_of(home).one("form", class_="claim")
    assert (form["method"], form["action"], form["hx-post"]) == ("post", *["/domains/ubuntu.com/claim"] * 2)
    assert form["hx-target"] == f"#{row_of(home)['id']}"

    answer = claim(client, htmx=htmx)

    alias = Alias.get(Alias.person == person_of(member))
    assert alias.text == f"{member.name}@ubuntu.com"
    if htmx:
        assert answer.status == 200
        assert_form(answer, htmx)
        link = answer.page.one("a", href=f"/addresses/{alias.id}")
        assert link.get("autofocus") is not None
    else:
        assert (answer.status, answer.location) == (303, "/home#domain-ubuntu-com")
        answer = client.get("/home")
    row = row_of(answer)
    assert f"{member.name}@ubuntu.com works Mail goes to {member.email}" in row.text
    assert row.all("form") == []
    assert Notice.select().where(Notice.unique_key.contains(f"created:{alias.id}")).count() == 1


@htmx_and_not
def test_pressing_twice_is_one_claim(portal: Portal, client: Client, member: Account, htmx: bool) -> None:
    client.sign_in(member.name)
    claim(client, htmx=htmx)

    with nothing_created():
        again = claim(client, htmx=htmx)

    assert again.status in (200, 303)
    assert Alias.select().where(Alias.person == person_of(member)).count() == 1


@htmx_and_not
def test_what_somebody_else_has_is_taken(
    portal: Portal,
    client: Client,
    member: Account,
    new_person: MakePerson,
    outside: PretendServers,
    htmx: bool,
) -> None:
    other = new_person()
    Client(portal.url, outside.ubuntu_one).sign_in(other.name)
    make_alias(person_of(other), domain(), utc_now(), member.name)
    home = client.sign_in(member.name)
    assert "Somebody else has this address." in row_of(home).text
    assert row_of(home).all("form") == []

    with nothing_created():
        refused = claim(client, htmx=htmx)

    assert refused.status == 409
    assert_form(refused, htmx)
    assert row_of(refused).text.count("Somebody else has this address.") == 1
    assert row_of(refused).one(role="alert").text.startswith("Somebody else")
    assert other.name not in refused.text.replace(member.name, "")


@htmx_and_not
def test_an_address_without_an_owner_is_taken_too(
    portal: Portal, client: Client, member: Account, htmx: bool
) -> None:
    """A role address, an imported one, or one whose owner was erased."""
    make_alias(None, domain(), utc_now(), member.name)
    client.sign_in(member.name)

    assert claim(client, htmx=htmx).status == 409


@htmx_and_not
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_name_that_admins_keep_back_is_reserved(
    portal: Portal, client: Client, member: Account, htmx: bool, everywhere: bool
) -> None:
    with write():
        kept = ReservedName.create(domain=None if everywhere else domain(), local_part=member.name)
    client.sign_in(member.name)

    with nothing_created():
        refused = claim(client, htmx=htmx)

    assert refused.status == 403
    assert_form(refused, htmx)
    assert row_of(refused).one(role="alert").text.startswith("This name is kept for the project.")
    kept.delete_instance()


@htmx_and_not
def test_without_entitlement_there_is_no_address(
    portal: Portal, client: Client, member: Account, htmx: bool
) -> None:
    client.sign_in(member.name)

    with nothing_created():
        refused = claim(client, "kubuntu.org", htmx=htmx)

    assert refused.status == 403
    assert_form(refused, htmx, "kubuntu.org")
    row = row_of(refused, "kubuntu.org")
    assert row.one(role="alert").text == "You are not entitled to this address at the moment."
    assert "You are not a member of kubuntu-members" in row.text


@htmx_and_not
def test_without_the_code_of_conduct_there_is_no_address(
    portal: Portal, client: Client, new_person: MakePerson, htmx: bool
) -> None:
    bruno = new_person("ubuntumembers", coc_signed=False)
    home = client.sign_in(bruno.name)
    said = "You have not signed the Code of Conduct. Sign it on Launchpad"
    assert home.text.count(said) == 1
    assert "not entitled What is missing stands above." in row_of(home).text

    refused = claim(client, htmx=htmx)

    assert refused.status == 403


@htmx_and_not
@pytest.mark.parametrize("name", ["fay+{}", "{}.", "{}..x", "{}." + "y" * 60])
def test_a_name_that_makes_no_address_is_impossible(
    portal: Portal, client: Client, new_person: MakePerson, member: Account, name: str, htmx: bool
) -> None:
    fay = new_person("ubuntumembers", name=name.format(member.name), email="fay@home.example.net")
    home = client.sign_in(fay.name)
    assert row_of(home).all("form") == []
    assert "Your name cannot be a mail address here." in row_of(home).text

    with nothing_created():
        refused = claim(client, htmx=htmx)

    assert refused.status == 422
    assert_form(refused, htmx)
    assert row_of(refused).one(role="alert").text.startswith("Your name cannot be a mail address")


@htmx_and_not
def test_a_domain_that_is_not_proven_gives_none(
    portal: Portal, client: Client, new_person: MakePerson, htmx: bool
) -> None:
    person = new_person("edubuntu-members")
    row = domain("edubuntu.org")
    verified_at, row.verified_at = row.verified_at, None
    row.save()
    client.sign_in(person.name)

    refused = claim(client, "edubuntu.org", htmx=htmx)

    row.verified_at = verified_at
    row.save()
    assert refused.status == 403
    assert "The admins have not proven this domain yet." in refused.text
    assert "Ask for a waiver" not in row_of(refused, row.name).text, "they are a member"


@pytest.mark.parametrize(
    "name", ["nowhere.example", "UBUNTU.COM", "ubuntu.com.", "x" * 300, "%00", "%2e%2e", "ä"]
)
@htmx_and_not
def test_a_domain_that_is_none_is_not_found(
    each_portal: Portal, client: Client, member: Account, name: str, htmx: bool
) -> None:
    client.sign_in(member.name)

    with nothing_created():
        refused = claim(client, name, htmx=htmx)

    assert refused.status == 404
    assert "There is no such page" in refused.text


def test_a_removed_domain_is_not_found(portal: Portal, client: Client, member: Account) -> None:
    row = domain("lubuntu.me")
    row.removed_at = utc_now()
    row.save()

    home = client.sign_in(member.name)
    refused = claim(client, "lubuntu.me")

    row.removed_at = None
    row.save()
    assert "lubuntu.me" not in home.text
    assert refused.status == 404


# -- where the mail shall go ---------------------------------------------------------------------


@pytest.fixture
def unproven(new_person: MakePerson) -> Account:
    """A member whose sign-in address nobody has proven."""
    return new_person("ubuntumembers", email_verified=False)


@htmx_and_not
def test_somebody_without_a_proven_mailbox_is_asked_for_one(
    portal: Portal, client: Client, unproven: Account, htmx: bool
) -> None:
    home = client.sign_in(unproven.name)
    field = row_of(home).one("input", name="recipient")
    assert field["value"] == unproven.email

    answer = claim(client, htmx=htmx, recipient="mine@mail.example.org")

    page = answer if htmx else client.get("/home")
    assert "waits for a confirmed mailbox" in row_of(page).text
    assert "mine@mail.example.org (not confirmed yet)" in row_of(page).text
    recipient = Recipient.get(Recipient.person == person_of(unproven))
    assert recipient.verified_at is None
    assert (
        Notice.select().where(Notice.recipient == recipient, Notice.kind == "verify-recipient").count() == 1
    )


@htmx_and_not
@pytest.mark.parametrize("fields", [{}, {"recipient": ""}], ids=["absent", "empty"])
def test_without_a_mailbox_there_is_no_claim(
    portal: Portal, client: Client, unproven: Account, htmx: bool, fields: dict[str, str]
) -> None:
    client.sign_in(unproven.name)

    with nothing_created():
        refused = claim(client, htmx=htmx, **fields)

    assert refused.status == 422
    assert_form(refused, htmx)
    assert_field_is_wrong(row_of(refused), "Say where your mail shall go.")


def assert_field_is_wrong(row: Element, sentence: str) -> None:
    """Hold that the field says so to eyes, ears and keyboard."""
    field = row.one("input", name="recipient")
    assert field["aria-invalid"] == "true"
    assert field.get("autofocus") is not None
    said = row.one(id=field["aria-describedby"])
    assert said["role"] == "alert"
    assert said.text == sentence


@htmx_and_not
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("no address", "An address looks like name@example.org."),
        ("mine@ubuntu.com", "This is an address of the project itself. Mail would run in a circle."),
        ("mine@[192.0.2.1]", "A bare IP address cannot take mail here."),
        ("<b>@home.example.net", "The part before the @ has a character or a dot where none can be."),
    ],
)
def test_a_mailbox_that_cannot_be_one_is_named_beside_the_field(
    portal: Portal, client: Client, unproven: Account, htmx: bool, typed: str, sentence: str
) -> None:
    client.sign_in(unproven.name)

    with nothing_created():
        refused = claim(client, htmx=htmx, recipient=typed)

    assert refused.status == 422
    assert_form(refused, htmx)
    assert_field_is_wrong(row_of(refused), sentence)
    assert row_of(refused).one("input", name="recipient")["value"] == typed


def test_who_has_a_proven_mailbox_cannot_name_another_in_passing(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)

    claim(client, recipient="evil@mail.example.org")

    alias = Alias.get(Alias.person == person_of(member))
    rows = AliasRecipient.select().where(AliasRecipient.alias == alias)
    assert [row.recipient.address for row in rows] == [member.email]


# -- names over time -----------------------------------------------------------------------------


def test_after_a_rename_one_more_name_can_be_had(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    client.sign_in(member.name)
    claim(client)
    for suffix in ("b", "c"):
        outside.world.rename(member.name if suffix == "b" else f"{member.name}b", f"{member.name}{suffix}")
        client.sign_in(f"{member.name}{suffix}")
        answer = claim(client)

    assert answer.status == 409
    assert "You have two names on this domain already." in answer.text
    names = [row.local_part for row in Alias.select().where(Alias.person == person_of(member))]
    assert sorted(names) == [member.name, f"{member.name}b"]


@htmx_and_not
def test_a_name_given_up_can_be_had_again(
    portal: Portal, client: Client, member: Account, htmx: bool
) -> None:
    client.sign_in(member.name)
    claim(client)
    alias = Alias.get(Alias.person == person_of(member))
    client.post(f"/addresses/{alias.id}/give-up", {"confirm": alias.text})
    assert f"Claim {alias.text}" in client.get("/home").text

    claim(client, htmx=htmx)

    assert Alias.get_by_id(alias.id).switch == Switch.ON
    assert f"{alias.text} works" in client.get("/home").text


# -- at the same moment --------------------------------------------------------------------------


def all_at_once(calls: list[Callable[[], Answer]]) -> list[Answer]:
    """Make all calls at once."""
    answers: list[Answer | None] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(number: int) -> None:
        start.wait(30)
        answers[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [answer for answer in answers if answer is not None]


def test_twenty_presses_of_one_person_are_one_claim(
    each_portal: Portal, new_client: NewClient, client: Client, member: Account
) -> None:
    client.sign_in(member.name)
    client.token()
    tabs = [copy_of(client, new_client()) for _ in range(20)]

    answers = all_at_once([lambda tab=tab: claim(tab) for tab in tabs])

    assert [answer.status for answer in answers] == [303] * 20
    aliases = list(Alias.select().where(Alias.person == person_of(member)))
    assert len(aliases) == 1
    assert AliasRecipient.select().where(AliasRecipient.alias == aliases[0]).count() == 1
    assert Notice.select().where(Notice.unique_key.contains(f"created:{aliases[0].id}")).count() == 1


def copy_of(client: Client, tab: Client) -> Client:
    """Make another tab of a browser."""
    tab.http.cookies = client.http.cookies
    tab._token = client.token()
    return tab


def test_of_two_people_who_resolve_to_one_name_exactly_one_gets_it(
    each_portal: Portal,
    new_client: NewClient,
    member: Account,
    new_person: MakePerson,
) -> None:
    """As when an account was renamed and another one took the name while a page was open."""
    other = new_person("ubuntumembers")
    clients = [new_client(), new_client()]
    for client, account in zip(clients, (member, other), strict=True):
        client.sign_in(account.name)
        client.token()
    both = [person_of(account) for account in (member, other)]
    Person.update(launchpad_name=f"same{member.name}").where(Person.id.in_([p.id for p in both])).execute()
    tabs = [(client, copy_of(client, new_client())) for client in clients for _ in range(5)]

    answers = all_at_once([lambda tab=tab: claim(tab) for _, tab in tabs])

    statuses = [answer.status for answer in answers]
    assert sorted({tuple(statuses[:5]), tuple(statuses[5:])}) == [(303,) * 5, (409,) * 5]
    assert Alias.select().where(Alias.local_part == f"same{member.name}").count() == 1


def test_a_claim_against_facts_of_yesterday_says_so_whatever_the_page_showed(
    portal: Portal, client: Client, member: Account
) -> None:
    """The page was open for a day: its button is still there."""
    from core.models import AccountFact

    client.sign_in(member.name)
    old = utc_now() - timedelta(hours=25)
    AccountFact.update(read_at=old).where(AccountFact.person == person_of(member)).execute()

    refused = claim(client, htmx=True)

    assert refused.status == 403
    assert "Press “Check again” first." in refused.text
