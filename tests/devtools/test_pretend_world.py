"""The demo's people are each there for one case, and the world changes as Launchpad's does."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from devtools.accounts import Account, MembershipStatus, Status, Team
from devtools.people import UBUNTU_TEAMS, big_world, demo_world
from devtools.world import World, WorldError


def names(entries: list[Account | Team]) -> list[str]:
    return [entry.name for entry in entries]


def test_all_six_ubuntu_teams_have_members(world: World) -> None:
    assert all(world.participants(team) for team in UBUNTU_TEAMS)


def test_everybody_has_a_description_for_the_sign_in_page(world: World) -> None:
    assert all(account.note for account in world.accounts())


def test_ada_is_an_ordinary_member(world: World) -> None:
    ada = world.account("ada")
    assert ada
    assert (ada.is_valid, ada.coc_signed, ada.email_verified, ada.email) == (
        True,
        True,
        True,
        "ada@home.example.net",
    )
    assert names(world.super_teams("ada")) == ["kubuntu-members", "ubuntumembers"]


def test_dora_is_a_member_only_through_a_team(world: World) -> None:
    assert world.is_in("dora", "ubuntumembers")
    assert "dora" not in names(world.members("ubuntumembers"))
    assert [team.name for team, _ in world.memberships("dora")] == ["demo-uploaders"]


def test_emre_is_an_expired_member(world: World) -> None:
    assert not world.is_in("emre", "ubuntumembers")
    assert names(world.members("ubuntumembers", MembershipStatus.EXPIRED)) == ["emre"]


def test_the_renamed_person_keeps_the_suffix_and_the_taker_has_another() -> None:
    before, after = demo_world(renamed=False), demo_world()

    gail = before.account("gail")
    assert gail
    assert after.by_suffix(gail.suffixes[0]) == after.account("gail-moss")
    taker = after.account("gail")
    assert taker
    assert taker.suffixes != gail.suffixes
    assert taker.date_created != gail.date_created


def test_a_suspended_person_keeps_name_and_memberships(world: World) -> None:
    ada = world.suspend("ada")
    assert (ada.status, ada.is_valid, ada.sso_active) == (Status.SUSPENDED, False, False)
    assert world.is_in("ada", "ubuntumembers")


def test_a_deactivated_person_loses_name_memberships_and_signature_and_comes_back_with_the_name(
    world: World,
) -> None:
    gone = world.deactivate("ada")
    assert (gone.name, gone.coc_signed, gone.is_valid) == ("ada-deactivatedaccount", False, False)
    assert world.account("ada") is None
    assert not world.super_teams(gone.name)

    back = world.reactivate(gone.name)
    assert (back.name, back.is_valid, back.coc_signed) == ("ada", True, False)


def test_a_deactivated_person_does_not_get_back_a_name_taken_meanwhile(world: World) -> None:
    world.deactivate("ada")
    world.register("ada")
    assert world.reactivate("ada-deactivatedaccount").name == "ada-deactivatedaccount"


def test_a_second_deactivated_namesake_gets_a_number(world: World) -> None:
    world.deactivate("ada")
    world.register("ada")
    assert world.deactivate("ada").name == "ada-deactivatedaccount1"


def test_a_closed_account_leaves_nothing(world: World) -> None:
    gone = world.close("ada")
    assert (gone.name, gone.display_name, gone.suffixes) == ("removed1", "Removed by request", ())
    assert world.by_suffix("aDa7xQ2") is None
    assert world.close("hana").name == "removed2"


def test_after_a_merge_both_suffixes_lead_to_the_one_who_stays(world: World) -> None:
    kept = world.merge("lars", "hana")
    assert world.by_suffix("lAr2sG3") == world.by_suffix("hAn1aT5") == kept
    assert world.is_in("hana", "ubuntu-smtp-test")
    assert world.account("lars") is None


def test_joining_leaving_and_expiring_show_in_participants(world: World) -> None:
    world.join("hana", "ubuntumembers")
    assert "hana" in names(world.participants("ubuntumembers"))
    world.leave("hana", "ubuntumembers")
    assert "hana" not in names(world.participants("ubuntumembers"))
    world.expire("demo-uploaders", "ubuntumembers")
    assert "dora" not in names(world.participants("ubuntumembers"))


def test_taking_a_name_moves_its_holder(world: World) -> None:
    world.take_name("ada", moved_to="ada-bell", taker="hana")
    assert world.by_suffix("aDa7xQ2") == world.account("ada-bell")
    assert world.by_suffix("hAn1aT5") == world.account("ada")
    assert world.is_in("ada-bell", "ubuntumembers")
    assert not world.is_in("ada", "ubuntumembers")


def test_a_new_person_can_take_the_name(world: World) -> None:
    newcomer = world.take_name("ada", moved_to="ada-bell")
    assert newcomer.name == "ada"
    assert newcomer.suffixes != ("aDa7xQ2",)


@pytest.mark.parametrize("name", ["ada", "ubuntumembers", "Ada", "a", "a_b", ".ada"])
def test_taken_and_impossible_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(WorldError):
        world.rename("hana", name)


def test_the_code_of_conduct_can_be_signed(world: World) -> None:
    assert world.sign_coc("bruno").coc_signed


def test_changes_from_many_threads_lose_nothing(world: World) -> None:
    def join(number: int) -> None:
        world.register(f"helper{number}")
        world.join(f"helper{number}", "ubuntumembers")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(join, range(100)))

    assert sum(name.startswith("helper") for name in names(world.participants("ubuntumembers"))) == 100


def test_a_big_world_is_quick_to_make_and_to_read() -> None:
    begin = time.monotonic()
    world = big_world(20_000, teams=4)
    assert len(world.participants("team0")) == 20_000
    assert 2000 < len(world.participants("team1")) < 2500
    assert time.monotonic() - begin < 2
