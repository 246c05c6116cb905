"""The pretend Launchpad goes wrong in each way it is told to, as often as it is told."""

import threading
import time

import httpx
import pytest

from devtools.launchpad import PretendLaunchpad

PARTICIPANTS = "/1.0/~ubuntumembers/participants?ws.size=4"


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "words"),
    [
        ("503-text", 503, "text/plain", "RequestExpired"),
        ("503-html", 503, "text/html", "offline"),
        ("502-html", 502, "text/html", "Bad Gateway"),
        ("429", 429, "text/html", "Too Many"),
        ("html-200", 200, "text/html", "Log in"),
    ],
)
def test_an_answer_is_replaced_as_often_as_said(
    lp: httpx.Client, launchpad: PretendLaunchpad, kind: str, status: int, content_type: str, words: str
) -> None:
    launchpad.fail(kind, times=2, seconds=7)
    for _ in range(2):
        answer = lp.get("1.0/~ada")
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith(content_type)
        assert words in answer.text
        assert answer.headers.get("retry-after") == ("7" if kind in ("503-html", "429") else None)
    assert lp.get("1.0/~ada").json()["name"] == "ada"


def test_a_fault_concerns_its_prefix_only(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("502-html", "/1.0/~ubuntumembers")
    assert lp.get("1.0/~ada").status_code == 200
    assert lp.get(PARTICIPANTS).status_code == 502
    launchpad.heal()
    assert lp.get(PARTICIPANTS).status_code == 200


def test_broken_json_has_the_right_type(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("bad-json")
    answer = lp.get("1.0/~ada")
    assert answer.headers["content-type"] == "application/json"
    with pytest.raises(ValueError):
        answer.json()


def test_a_truncated_body_is_cut_before_its_length(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("truncated", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        lp.get("1.0/~ada")
    assert lp.get("1.0/~ada").status_code == 200


def test_a_closed_connection_gives_no_answer(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("closed", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        lp.get("1.0/~ada")


def test_slowness_and_latency_delay_the_answer(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("slow", "/1.0/~ada", seconds=0.1)
    launchpad.latency = 0.1
    begin = time.monotonic()
    assert lp.get("1.0/~ada").status_code == 200
    assert 0.2 <= time.monotonic() - begin < 1
    launchpad.heal()
    assert launchpad.latency == 0


def test_a_hanging_request_ends_when_the_server_stops(launchpad: PretendLaunchpad) -> None:
    launchpad.fail("hang")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{launchpad.url}1.0/~ada", timeout=0.1)

    stop = threading.Timer(0.1, launchpad.stop)
    stop.start()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{launchpad.url}1.0/~ada", timeout=5)
    stop.join()


def test_half_a_collection_ends_after_page_one(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("half-collection", times=1)
    first = lp.get(PARTICIPANTS)
    assert first.status_code == 200
    assert lp.get(first.json()["next_collection_link"]).status_code == 503
    assert lp.get(first.json()["next_collection_link"]).status_code == 200


def test_the_total_size_changes_between_pages(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("total-size-changes")
    first = lp.get(PARTICIPANTS).json()
    second = lp.get(first["next_collection_link"]).json()
    assert (first["total_size"], second["total_size"]) == (9, 10)


def test_the_next_link_leads_to_another_host(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("foreign-next")
    assert (
        lp.get(PARTICIPANTS)
        .json()["next_collection_link"]
        .startswith("http://launchpad.foreign.example/1.0/")
    )


def test_the_next_link_leads_to_the_same_page(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("repeating-next")
    page = lp.get(PARTICIPANTS).json()
    assert lp.get(page["next_collection_link"]).json() == page


def test_an_empty_collection_says_so(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    launchpad.fail("empty-collection")
    page = lp.get(PARTICIPANTS).json()
    assert (page["entries"], page["total_size"]) == ([], 0)
    assert lp.get("1.0/~ada").status_code == 200


def test_faults_and_the_world_change_over_http(lp: httpx.Client, launchpad: PretendLaunchpad) -> None:
    state = lp.post("_control", json={"fault": {"kind": "429", "prefix": "/devel/", "times": 3}}).json()
    assert state["faults"] == [{"kind": "429", "prefix": "/devel/", "times": 3}]
    assert lp.get("devel/~ada").status_code == 429
    lp.post("_control", json={"clear": True, "world": ["rename", "ada", "ada-bell"]})
    assert lp.get("devel/~ada-bell").status_code == 200
    lp.post("_control", json={"world": ["take_name", "ada-bell", {"moved_to": "ada-b", "taker": "hana"}]})
    assert lp.get("devel/~ada-bell").json()["display_name"] == "Hana Kovar"


@pytest.mark.parametrize(
    "order",
    [{"world": ["__init__"]}, {"world": ["rename", "nobody", "x1"]}, {"fault": {"kind": "nonsense"}}, [1, 2]],
)
def test_a_wrong_order_is_refused(lp: httpx.Client, order: object) -> None:
    assert lp.post("_control", json=order).status_code == 400


def test_the_control_takes_no_form(lp: httpx.Client) -> None:
    assert lp.post("_control", data={"clear": "1"}).status_code == 415
    assert lp.get("_control").status_code == 405
