"""The admins' pages, each as a whole page and as the part that HTMX swaps."""

import re
from collections.abc import Callable

import pytest

from app import create_app
from core.audit import OPERATOR
from core.database import utc_now
from core.domains import add_domain
from core.models import ImportRun
from tests.app.admins import Admin
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created

PAGES = {
    "/admin": "",
    "/admin/waivers": "found",
    "/admin/held": "held",
    "/admin/freed-names": "found",
    "/admin/lookup?address=postmaster@ubuntu.com": "answer",
    "/admin/waiting?state=found&q=a": "found",
    "/admin/jobs": "jobs",
    "/admin/roles": "roles",
    "/admin/roles?who=nobody": "roles",
    "/admin/audit": "found",
    "/admin/audit/1": "entry",
    "/admin/imports": "imports",
    "/admin/waiting": "found",
}
"""Each with the id of what HTMX swaps."""


@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens(each_portal: Portal, new_admin: Callable[..., Admin], path: str) -> None:
    answer = new_admin().client.get(path)

    assert answer.status == 200
    assert faults_of(answer.page) == []
    here = [link for link in answer.page.one("details", class_="menu").all("a") if link.get("aria-current")]
    assert len(here) == (path != "/admin/audit/1")


@pytest.mark.parametrize("path", [path for path, part in PAGES.items() if part])
def test_htmx_gets_the_part_alone(portal: Portal, new_admin: Callable[..., Admin], path: str) -> None:
    answer = new_admin().client.get(path, on="/admin")

    assert not answer.is_whole_page
    assert answer.page.one(id=PAGES[path])


LISTS = (
    "people", "waivers", "audit", "imports", "waiting", "failing", "freed-names", "jobs", "names",
    "names/look-alikes", "role-addresses", "bulk",
)  # fmt: skip


@pytest.mark.parametrize("key", ["99999999999999999999", "2147483648", "-1", "0", "first"])
def test_a_key_that_no_row_can_have_shows_the_first_page(
    each_portal: Portal, new_admin: Callable[..., Admin], key: str
) -> None:
    client = new_admin().client

    assert {path: client.get(f"/admin/{path}?after={key}").status for path in LISTS} == dict.fromkeys(
        LISTS, 200
    )


def test_every_form_needs_its_token(portal: Portal, new_admin: Callable[..., Admin]) -> None:
    client = new_admin().client
    app = create_app(portal.settings)
    posts = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("admin.") and "POST" in (rule.methods or ())
    ]

    assert posts
    with nothing_created():
        for rule in posts:
            path = app.url_map.bind("").build(rule.endpoint, dict.fromkeys(rule.arguments, 1), method="POST")
            for data in ({}, {"csrf_token": "x"}):
                assert client.http.post(path, data=data).status_code == 400


def test_domains_without_proof_and_lists_that_wait_are_counted(
    portal: Portal, new_admin: Callable[..., Admin]
) -> None:
    admin, now = new_admin().client, utc_now()
    before = [int(number) for number in re.findall(r"\d+", admin.get("/admin").page.one("dl").text)]
    add_domain(OPERATOR, "unproven.example", ["ubuntumembers"], now)
    run = ImportRun.create(made_at=now, listed_at=now, content=b"x", state="checked")

    after = [int(number) for number in re.findall(r"\d+", admin.get("/admin").page.one("dl").text)]

    run.delete_instance()
    assert sum(after) == sum(before) + 2
