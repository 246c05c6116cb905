"""A domain in a real Chromium: added in one form, proven, its DNS looked at, shown to a stranger, removed."""

import itertools
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

_numbers = itertools.count(1)


def publish(stack: Stack, *record: str) -> None:
    """Put a record, as name, type and value, into DNS."""
    url = f"{stack.world['control_url']}_control"
    httpx.post(url, json={"add": [record]}, timeout=10).raise_for_status()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_a_domain_from_the_form_to_its_end(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints, javascript: bool
) -> None:
    complaints.expected |= {404, 422}
    name, domain = newcomer("ubuntumembers"), f"browser{next(_numbers)}.example.org"
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)
    stack.waypost("admin", "grant", name, "--yes")
    faults = []

    def look(what: str) -> None:
        if javascript:
            faults.extend(look_at(page, f"admin-{what}"))
            page.set_viewport_size({"width": 1280, "height": 800})

    page.goto(f"{stack.portal_url}/admin/domains")
    look("domains")
    page.get_by_role("link", name="Add a domain").click()
    page.get_by_label("The domain", exact=True).fill("co.uk")
    page.get_by_label("Teams in Launchpad whose members").fill("ubuntumembers")
    page.get_by_role("button", name="Look the teams up").click()
    expect(page.locator("#team-looks")).to_contain_text(re.compile(r"ubuntumembers: \d+ members"))
    page.get_by_role("button", name="Add the domain").click()
    expect(page.get_by_role("alert")).to_contain_text("Strangers have domains below this one")
    look("domain-form")
    page.get_by_label("The domain", exact=True).fill(domain)
    page.get_by_role("button", name="Add the domain").click()
    expect(page.get_by_text(f"{domain} is added. Publish its record now.")).to_be_visible()

    expect(page.get_by_role("heading", level=1)).to_have_text(domain)
    record = page.locator("#txt").inner_text()
    expect(page.get_by_role("button", name="Copy: The record’s value")).to_be_visible(visible=javascript)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#domain")).to_contain_text("the record is not there")
    publish(stack, domain, "TXT", record)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#domain")).to_contain_text("the record is there")
    look("domain")

    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#dns-link").inner_text()
    page.get_by_role("link", name="All DNS records").click()
    expect(page.locator("#dns")).to_contain_text(record)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#dns")).to_contain_text("Asked anew")
    expect(page.get_by_role("region", name="Error")).to_contain_text("There is no MX record")
    expect(page.get_by_role("region", name="What is right")).to_contain_text("The domain is proven.")
    look("dns")

    stranger = open_page(java_script_enabled=javascript)
    stranger.goto(link)
    if not javascript:
        stranger.get_by_role("button", name="Check now").click()
    expect(stranger.get_by_role("region", name="Error")).to_contain_text("There is no MX record")
    if javascript:
        faults.extend(look_at(stranger, "dns-link"))

    page.get_by_role("link", name=f"← {domain}").click()
    page.get_by_label(f"Type {domain} to confirm").fill("another")
    page.get_by_role("button", name="Remove the domain, and refuse its mail").click()
    expect(page.get_by_text("Type the domain's name to remove it.")).to_be_visible()
    page.get_by_label(f"Type {domain} to confirm").fill(domain)
    page.get_by_role("button", name="Remove the domain, and refuse its mail").click()
    expect(page.get_by_text(f"{domain} is not served any more.")).to_be_visible()
    assert domain not in page.locator("#found").inner_text()
    stranger.reload()
    expect(stranger.get_by_role("heading", level=1)).to_have_text("There is no such page")
    assert faults == []
