"""The pretend Launchpad answers as the real one does to an anonymous reader."""

import httpx
import pytest

from devtools.launchpad import PretendLaunchpad
from devtools.launchpad_json import COLLECTIONS, REDACTED
from devtools.people import big_world
from devtools.world import World

PARTICIPANTS = "1.0/~ubuntumembers/participants"


def names(answer: httpx.Response) -> list[str]:
    return [entry["name"] for entry in answer.json()["entries"]]


def test_a_person_has_all_keys_and_hides_the_address(lp: httpx.Client) -> None:
    answer = lp.get("1.0/~ada")

    entry = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (entry["name"], entry["display_name"], entry["is_team"]) == ("ada", "Ada Bell", False)
    assert (entry["is_valid"], entry["is_ubuntu_coc_signer"], entry["is_probationary"]) == (True, True, False)
    assert entry["date_created"] == "2008-04-24T09:30:12.345678+00:00"
    assert entry["preferred_email_address_link"] == entry["id"] == REDACTED
    assert entry["self_link"] == f"{lp.base_url}1.0/~ada"
    assert entry["resource_type_link"].endswith("/1.0/#person")
    assert all(f"{name}_collection_link" in entry for name in COLLECTIONS)
    assert len(entry) == 49
    assert "example.net" not in answer.text


def test_a_team_has_six_keys_more(lp: httpx.Client) -> None:
    team, person = lp.get("1.0/~ubuntumembers").json(), lp.get("1.0/~ada").json()
    assert set(team) - set(person) == {
        "default_membership_period",
        "default_renewal_period",
        "membership_policy",
        "renewal_policy",
        "subscription_policy",
        "team_description",
    }
    assert (team["is_team"], team["is_valid"]) == (True, True)
    assert team["team_owner_link"].endswith("/1.0/~kaia")


def test_the_account_status_is_only_in_devel(lp: httpx.Client) -> None:
    assert lp.get("devel/~ada").json()["account_status"] == "Active"
    assert "account_status" not in lp.get("1.0/~ada").json()


def test_a_display_name_comes_through_whole(lp: httpx.Client, world: World) -> None:
    jun = world.account("jun")
    assert jun
    assert lp.get("1.0/~jun").json()["display_name"] == jun.display_name
    assert "鈴木" in jun.display_name
    assert "\u202e" in jun.display_name


def test_a_name_with_a_plus_is_found(lp: httpx.Client) -> None:
    assert lp.get("1.0/~fay+lab").json()["name"] == "fay+lab"
    assert lp.get("1.0/~fay%2Blab").json()["name"] == "fay+lab"


def test_upper_case_moves_to_lower_case(lp: httpx.Client) -> None:
    answer = lp.get("1.0/~Ada/super_teams?ws.size=5")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{lp.base_url}1.0/~ada/super_teams?ws.size=5"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("1.0/~nobody", 404, "~nobody"),
        ("1.0/~chidi", 410, "User is suspended: ~chidi"),
        ("devel/~chidi/super_teams", 410, "User is suspended: ~chidi"),
        ("1.0/~mina", 404, "~mina"),
        ("1.0/~ada/nonsense", 404, "nonsense"),
        ("1.0/people/+me", 401, "logged in"),
        ("1.0/~ada/+email/ada@home.example.net", 401, "Email"),
        ("devel/people?ws.op=dance", 400, "dance"),
        ("devel/people?ws.op=getByOpenIDIdentifier", 400, "identifier"),
        ("1.0/people?ws.op=getByOpenIDIdentifier&identifier=x", 400, "getByOpenIDIdentifier"),
        (f"{PARTICIPANTS}?ws.size=301", 400, "ws.size"),
        (f"{PARTICIPANTS}?ws.size=many", 400, "ws.size"),
        ("beta/~ada", 404, "not found"),
    ],
)
def test_refusals_are_one_line_of_plain_text(lp: httpx.Client, path: str, status: int, words: str) -> None:
    answer = lp.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-lazr-oopsid"].startswith("OOPS-")
    assert words in answer.text


def test_only_reading_is_allowed(lp: httpx.Client) -> None:
    assert lp.post("1.0/~ada", data={"ws.op": "rename"}).status_code == 405


def test_participants_are_direct_and_indirect_members_people_and_teams(lp: httpx.Client) -> None:
    answer = lp.get(PARTICIPANTS)

    page = answer.json()
    assert sorted(names(answer)) == [
        *("ada", "bruno", "chidi", "demo-uploaders", "dora", "fay+lab", "gail", "gail-moss", "kaia")
    ]
    assert (page["start"], page["total_size"]) == (0, 9)
    assert {e["name"] for e in page["entries"] if e["is_team"]} == {"demo-uploaders"}
    assert [e["name"] for e in page["entries"] if not e["is_valid"] and not e["is_team"]] == ["chidi"]
    assert "next_collection_link" not in page
    assert "prev_collection_link" not in page


def test_pages_follow_by_their_links(lp: httpx.Client) -> None:
    seen, url, pages = [], f"{PARTICIPANTS}?ws.size=4", []
    while url:
        answer = lp.get(url)
        pages.append(answer.json())
        seen += names(answer)
        url = pages[-1].get("next_collection_link")

    assert len(seen) == len(set(seen)) == 9
    assert [page["start"] for page in pages] == [0, 4, 8]
    assert {page["total_size"] for page in pages} == {9}
    assert "memo=4" in pages[0]["next_collection_link"]
    assert lp.get(pages[1]["prev_collection_link"]).json()["start"] == 0
    assert lp.get(pages[2]["prev_collection_link"]).json()["start"] == 4


def test_devel_gives_the_total_size_on_the_last_page_only(lp: httpx.Client) -> None:
    first = lp.get("devel/~ubuntumembers/participants?ws.size=5").json()
    last = lp.get(first["next_collection_link"]).json()
    assert "total_size" not in first
    assert lp.get(first["total_size_link"]).json() == 9
    assert last["total_size"] == 9


def test_a_page_holds_75_by_default_and_300_at_most(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.world = big_world(400)
    assert len(names(lp.get("1.0/~team0/participants"))) == 75
    assert len(names(lp.get("1.0/~team0/participants?ws.size=300"))) == 300


def test_members_are_the_direct_ones_only(lp: httpx.Client) -> None:
    assert "dora" not in names(lp.get("1.0/~ubuntumembers/members"))
    assert "demo-uploaders" in names(lp.get("1.0/~ubuntumembers/members"))
    assert names(lp.get("1.0/~ubuntumembers/expired_members")) == ["emre"]
    assert names(lp.get("1.0/~ada/members")) == []


def test_super_teams_cover_indirect_membership(lp: httpx.Client) -> None:
    assert names(lp.get("devel/~dora/super_teams")) == ["demo-uploaders", "ubuntumembers"]
    assert names(lp.get("devel/~hana/super_teams")) == []
    assert names(lp.get("devel/~emre/super_teams")) == []


def test_memberships_are_the_direct_and_active_ones(lp: httpx.Client) -> None:
    page = lp.get("1.0/~dora/memberships_details").json()
    (entry,) = page["entries"]
    assert page["resource_type_link"].endswith("#team_membership-page-resource")
    assert entry["team_link"].endswith("/1.0/~demo-uploaders")
    assert entry["member_link"].endswith("/1.0/~dora")
    assert (entry["status"], entry["date_expires"]) == ("Approved", None)
    assert lp.get(entry["self_link"]).json() == entry
    assert len(lp.get("1.0/~ubuntumembers/members_details").json()["entries"]) == 8


def test_a_claimed_id_leads_to_the_present_name(lp: httpx.Client) -> None:
    def by(identifier: str) -> httpx.Response:
        arguments = {"ws.op": "getByOpenIDIdentifier", "identifier": identifier}
        return lp.get("devel/people", params=arguments)

    assert by("https://login.ubuntu.com/+id/gAi3lR7").json()["name"] == "gail-moss"
    assert by("https://login.launchpad.net/+id/gAi3lR7").json()["name"] == "gail-moss"
    assert by("https://login.launchpad.net/+id/gNe6wC8").json()["name"] == "gail"
    assert by("https://login.ubuntu.com/+id/cHi8dW3").json()["is_valid"] is False
    for unknown in (
        "https://login.ubuntu.com/+id/zZz9zZ9",
        "https://login.ubuntu.com/+id/mIn5aV1",
        "https://evil.example/+id/gAi3lR7",
        "gAi3lR7",
    ):
        answer = by(unknown)
        assert (answer.status_code, answer.text) == (200, "null")


def test_an_unescaped_plus_in_the_identifier_is_a_space(lp: httpx.Client) -> None:
    query = "ws.op=getByOpenIDIdentifier&identifier=https://login.ubuntu.com/+id/aDa7xQ2"
    assert lp.get(f"devel/people?{query}").json() is None


def test_an_unchanged_entry_is_not_sent_again(lp: httpx.Client, world: World) -> None:
    tag = lp.get("1.0/~ada").headers["etag"]
    assert lp.get("1.0/~ada").json()["http_etag"] == tag

    unchanged = lp.get("1.0/~ada", headers={"If-None-Match": tag.replace('"', '-gzip"')[6:]})
    assert unchanged.status_code == 200
    unchanged = lp.get("1.0/~ada", headers={"If-None-Match": f'{tag[:-1]}-gzip"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")

    world.update("ada", display_name="Ada B.")
    assert lp.get("1.0/~ada", headers={"If-None-Match": tag}).status_code == 200


def test_changes_of_the_world_show_at_once(lp: httpx.Client, world: World) -> None:
    world.rename("ada", "ada-bell")
    assert lp.get("1.0/~ada").status_code == 404
    assert lp.get("1.0/~ada-bell").status_code == 200
    world.merge("lars", "hana")
    assert lp.get("1.0/~lars").status_code == 404
    assert lp.get("1.0/~lars-merged").status_code == 404
    world.delete_team("lubuntu-members")
    assert lp.get("1.0/~lubuntu-members/participants").status_code == 404


def test_a_web_page_delegates_to_the_claimed_id(lp: httpx.Client) -> None:
    document = lp.get("~ada", headers={"Accept": "application/xrds+xml"})
    assert document.headers["content-type"] == "application/xrds+xml"
    assert "<LocalID>https://login.launchpad.net/+id/aDa7xQ2</LocalID>" in document.text
    page = lp.get("~jun")
    assert page.headers["content-type"].startswith("text/html")
    assert "<b>" not in page.text


def test_answers_are_compressed_where_that_is_switched_on(world: World) -> None:
    server = PretendLaunchpad(world, compress=True)
    server.start()
    try:
        answer = httpx.get(f"{server.url}1.0/~ada")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.json()["name"] == "ada"
    finally:
        server.stop()


def test_requests_are_counted_and_kept(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    lp.get("1.0/~ada?x=1")
    lp.get("1.0/~nobody")

    first, second = launchpad.served
    assert (first.target, first.user_agent, first.status) == ("/1.0/~ada?x=1", "waypost-test", 200)
    assert second.status == 404
    assert (launchpad.count(), launchpad.count("/1.0/~ada"), launchpad.count("/devel/")) == (2, 1, 0)
    launchpad.forget()
    assert (launchpad.served, launchpad.count()) == ([], 0)


def test_a_connection_serves_many_requests(launchpad: PretendLaunchpad) -> None:
    with httpx.Client(base_url=launchpad.url) as client:
        streams = {client.get("1.0/~ada").extensions["network_stream"] for _ in range(3)}
    assert len(streams) == 1
