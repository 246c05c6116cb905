"""The privacy page says what is stored: every table, and nothing that is no table."""

import re
from collections import Counter

import pytest

from app.public.privacy import ELSEWHERE, GROUPS
from core import models
from core.models import TABLES, Table
from tests.app.test_public_pages import OpenSite, open_site, page_at
from tests.support.page import Element
from tests.support.portal import Portal
from tests.support.webclient import Client

__all__ = ["open_site"]


def all_tables() -> set[type[Table]]:
    """Return every class of a table, also one that somebody forgot to put into TABLES."""
    return {one for one in Table.__subclasses__() if one.__module__ == models.__name__}


def entries(page: Element) -> dict[str, list[str]]:
    """Return what the page says of each thing that is kept: what, why and how long."""
    kept = page.one("section", id="kept")
    names = [one.text for one in kept.all("h4")]
    said = [[one.text for one in each.all("dd")] for each in kept.all("dl")]
    return dict(zip(names, said, strict=True))


def test_every_table_has_one_entry_and_every_entry_a_table() -> None:
    told = Counter(table for _, tables in GROUPS for table in tables)

    assert set(told) == all_tables() == set(TABLES)
    assert set(told.values()) == {1}


def test_the_page_says_what_why_and_how_long_of_each(portal: Portal, client: Client) -> None:
    page = client.get("/privacy").page
    said = entries(page)

    count = sum(len(tables) for _, tables in GROUPS) + len(ELSEWHERE)
    assert len(said) == count == len(TABLES) + len(ELSEWHERE)
    for name, words in said.items():
        assert len(words) == 3, name
        assert all(len(text) > 10 for text in words), name
        assert not re.search(r"[%{}]", " ".join(words)), name


def test_periods_come_from_the_code(portal: Portal, client: Client) -> None:
    said = entries(client.get("/privacy").page)

    assert "30 days" in said["Browsers in which you are signed in"][2]
    assert "60 seconds" in said["An answer of Ubuntu One on its way"][2]
    assert "15 minutes" in said["Cookies in your browser"][2]
    assert "90 days" in said["Counts of deliveries"][2]
    assert "90 days" in said["Mail from us"][2]


def test_the_cookies_are_those_that_the_page_names(portal: Portal, client: Client) -> None:
    """One for the session, one while a sign-in is under way."""
    client.get("/")
    client.begin()

    assert set(client.cookies) == {"waypost", "waypost-signin"}


def test_what_cannot_be_seen_here_is_said(portal: Portal, client: Client) -> None:
    unseen = client.get("/privacy").page.one("section", id="unseen").text

    assert "What your provider does after it took a mail" in unseen
    assert "Vacation answers" in unseen
    assert "Your own answers" in unseen


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "encrypted whenever the other server can do that"),
        ({"delivery_tls": "verify"}, "encrypted or not at all"),
        ({"smarthost": "mail.example.org:25"}, "through another mail server"),
    ],
)
def test_what_is_said_of_the_way_follows_the_settings(
    open_site: OpenSite, settings: dict[str, str], words: str
) -> None:
    readers = page_at(open_site(**settings), "/privacy").one("section", id="readers").text

    assert words in readers
