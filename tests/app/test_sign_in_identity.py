"""Who somebody is: the claimed id alone, never a name or an address that may change hands."""

from collections.abc import Callable

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Alias, Notice, Person, Recipient
from core.people import ban
from devtools.accounts import Account
from devtools.servers import PretendServers
from devtools.world import World
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Client, Fields

MakePerson = Callable[..., Account]


def claimed(client: Client, domain: str = "ubuntu.com") -> Alias:
    """Claim on a domain; return the newest alias there."""
    answer = client.post(f"/domains/{domain}/claim")
    assert answer.status == 303, answer.text
    return Alias.select().order_by(Alias.id.desc()).get()


def test_a_renamed_person_is_the_same_person(
    portal: Portal, client: Client, world: World, member: Account
) -> None:
    client.sign_in(member.name)
    alias = claimed(client)
    before = person_of(member)
    world.rename(member.name, f"{member.name}-new")

    home = client.sign_in(f"{member.name}-new")

    after = person_of(member)
    assert after.id == before.id
    assert after.launchpad_name == f"{member.name}-new"
    assert alias.text in home.text
    assert f"Claim {member.name}-new@ubuntu.com" in home.text


def test_who_takes_a_freed_name_gets_nothing_of_its_owner(
    portal: Portal,
    new_client: Callable[[], Client],
    world: World,
    member: Account,
    new_person: MakePerson,
) -> None:
    owner, taker = new_client(), new_client()
    owner.sign_in(member.name)
    alias = claimed(owner)
    newcomer = new_person("ubuntumembers")
    world.take_name(member.name, moved_to=f"{member.name}-moved", taker=newcomer.name)

    home = taker.sign_in(member.name)

    first, second = person_of(member), person_of(newcomer)
    assert second.id != first.id
    assert second.launchpad_name == member.name
    assert f"/addresses/{alias.id}" not in home.html
    assert member.email not in home.text
    assert taker.get(f"/addresses/{alias.id}").status == 404
    refused = taker.post("/domains/ubuntu.com/claim")
    assert refused.status == 409
    assert "Somebody else has this address. Should it be yours?" in refused.text
    assert f"mailto:{portal.settings.ops_address}" in refused.html, "it says whom to ask"
    assert Alias.get_by_id(alias.id).person_id == first.id
    notice = Notice.get(Notice.kind == "name-taken-over", Notice.person == second)
    assert notice.recipient_id is None  # goes to the ops address


def test_a_ban_is_not_evaded_by_a_rename_and_a_second_identity(
    portal: Portal,
    client: Client,
    world: World,
    outside: PretendServers,
    member: Account,
    new_person: MakePerson,
) -> None:
    client.sign_in(member.name)
    person = person_of(member)
    ban(OPERATOR, person, utc_now())
    second = new_person("ubuntumembers")
    world.merge(second.name, member.name)
    world.rename(member.name, f"{member.name}-renamed")
    world.update(f"{member.name}-renamed", suffixes=(*second.suffixes, *member.suffixes))

    outside.launchpad.fail("html-200", "/1.0/~")
    unclear = client.sign_in(f"{member.name}-renamed")
    outside.launchpad.heal()
    refused = client.sign_in(f"{member.name}-renamed")

    assert (unclear.status, refused.status) == (503, 403)
    assert "We could not find out who you are" in unclear.text
    assert "closed this account" in refused.text
    assert Person.select().where(Person.account_created == person.account_created).count() == 1


def test_equal_addresses_join_nobody(
    portal: Portal,
    new_client: Callable[[], Client],
    member: Account,
    new_person: MakePerson,
) -> None:
    twin = new_person("ubuntumembers", email=member.email)

    new_client().sign_in(member.name)
    new_client().sign_in(twin.name)

    one, other = person_of(member), person_of(twin)
    assert one.id != other.id
    owners = {row.person_id for row in Recipient.select().where(Recipient.address == member.email)}
    assert owners == {one.id, other.id}


def test_the_same_nickname_from_another_identity_is_another_person(
    portal: Portal,
    new_client: Callable[[], Client],
    member: Account,
    new_person: MakePerson,
) -> None:
    """The provider itself says `member`'s nickname of somebody else."""
    new_client().sign_in(member.name)
    other = new_person("ubuntumembers")
    client = new_client()

    def lie(fields: Fields) -> None:
        fields["openid.sreg.nickname"] = member.name
        fields["openid.sreg.email"] = str(member.email)

    attempt = client.begin()
    client.bring(attempt, client.sign(attempt, other.name, tamper=lie))

    assert person_of(other).id != person_of(member).id
    assert person_of(other).launchpad_name == other.name


def test_a_reserved_name_cannot_be_claimed(
    portal: Portal, client: Client, world: World, new_person: MakePerson
) -> None:
    new_person("ubuntumembers", "kubuntu-members", name="postmaster")
    home = client.sign_in("postmaster")
    assert "This name is kept for the project." in home.text
    assert "Claim postmaster@" not in home.text

    refused = client.post("/domains/ubuntu.com/claim")

    assert refused.status == 403
    assert "This name is kept for the project." in refused.text
    assert not Alias.select().where(Alias.local_part == "postmaster").exists()
    world.rename("postmaster", "postmaster-no-more")


def test_nobody_is_called_none(portal: Portal, client: Client, new_person: MakePerson) -> None:
    stranger = new_person(on_launchpad=False)
    attempt = client.begin()
    client.follow(client.bring(attempt, client.sign(attempt, stranger.name, share=())))

    refused = client.post("/domains/ubuntu.com/claim")

    assert refused.status == 403
    assert "None" not in refused.text
    assert not Alias.select().where(Alias.local_part == "none").exists()


def test_an_account_made_later_is_found_by_checking_again(
    portal: Portal, client: Client, world: World, new_person: MakePerson
) -> None:
    late = new_person("ubuntumembers", on_launchpad=False)
    client.sign_in(late.name)
    world.update(late.name, on_launchpad=True)

    home = client.follow(client.post("/home/check"))

    assert f"Claim {late.name}@ubuntu.com" in home.text
