"""The pages for everybody in a real Chromium: as built in, and with a theme, 40 domains and long names."""

import itertools
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import structlog
from playwright.sync_api import Page, Response, expect

from core.audit import OPERATOR
from core.database import connection, utc_now
from core.domains import add_domain, mark_verified
from core.settings import Settings
from devtools.stack import Stack, free_port
from tests.app.conftest import fill_database
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at
from tests.support.portal import Portal

LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 49, "example.org"])
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40">
<style>rect { fill: #a3230f }</style><rect width="120" height="40"/></svg>"""
THEME = {
    "logo.svg": LOGO,
    "logo-dark.svg": LOGO.replace("a3230f", "ff9b85"),
    "domains/kubuntu.org.svg": LOGO.replace("a3230f", "0079c1"),
    "theme.toml": '[accent]\nlight = "#a3230f"\ndark = "#ff9b85"\n',
    "front.en.txt": "Welcome to the project.\n\nIts members can have an address.",
}
PAGES = {
    "front": "/",
    "domain": "/d/kubuntu.org",
    "help": "/help",
    "help-answer": "/help/lost-mailbox",
    "privacy": "/privacy",
    "not-found": "/nowhere",
    "wrong-method": "/logout",
}


@pytest.fixture(scope="module")
def themed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a portal with a theme, many domains, and the longest one that there can be."""
    folder = tmp_path_factory.mktemp("themed")
    for name, content in THEME.items():
        path = folder / "theme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    more = {
        "PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        "DATABASE_URL": f"sqlite:///{folder}/waypost.db",
        "THEME_DIR": str(folder / "theme"),
        "CONTACT_MAIL": "help@example.org",
        "CONTACT_MATRIX": "#addresses:example.org",
        "CONTACT_WEB": "https://forum.example.org/a/rather/long/address/of/the/page/with/all/questions",
    }
    settings = Settings(**{name.lower(): text for name, text in (stack.environment | more).items()})  # type: ignore[arg-type]
    fill_database(settings)
    with connection():
        for name in [LONGEST, *(f"project-{number}.example.org" for number in range(33))]:
            teams = [f"{'long-team-name-' * 6}{number}" for number in range(3)]
            mark_verified(OPERATOR, add_domain(OPERATOR, name, teams, utc_now()), utc_now())
    structlog.reset_defaults()
    portal = Portal(settings)
    portal.start()
    yield portal.url
    portal.stop()


@pytest.fixture(params=["built in", "themed"])
def site(request: pytest.FixtureRequest, stack: Stack) -> str:
    """The address of either portal."""
    return stack.portal_url if request.param == "built in" else str(request.getfixturevalue("themed"))


def test_every_page_can_be_read_in_every_look(
    site: str, stack: Stack, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected |= {404, 405}
    page = open_page(reduced_motion="reduce")
    paths = PAGES if site == stack.portal_url else PAGES | {"longest-domain": f"/d/{LONGEST}"}

    found = []
    for name, path in paths.items():
        page.goto(site + path)
        found += look_at(page, f"public-{'themed-' if site != stack.portal_url else ''}{name}")

    assert not found, "\n".join(found)


def test_nothing_is_loaded_from_another_host(site: str, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected |= {404, 405}
    page = open_page()
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))

    for path in PAGES.values():
        page.goto(site + path, wait_until="networkidle")

    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(site).netloc}


def test_the_first_page_asks_for_one_stylesheet_and_one_script(site: str, open_page: OpenPage) -> None:
    page = open_page()
    kinds: list[str] = []
    page.on("request", lambda request: kinds.append(request.resource_type))

    page.goto(site, wait_until="networkidle")

    assert (kinds.count("stylesheet"), kinds.count("script")) == (1, 1)


def test_the_first_page_is_small(site: str, open_page: OpenPage) -> None:
    """Everything that an empty browser loads, with the names of its headers, and packed as fast as can be."""
    page = open_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108  # Playwright takes no built-in

    page.goto(site, wait_until="networkidle")

    assert len(answers) >= 3
    packed = [len(zlib.compress(answer.body(), 1)) for answer in answers]
    headers = [sum(map(len, [*answer.headers, *answer.headers.values()])) for answer in answers]
    assert sum(packed) + sum(headers) < 120 * 1024


def test_the_theme_is_what_one_sees(themed: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(themed)

    for look, colour, words in (
        ("light", "rgb(163, 35, 15)", "rgb(255, 255, 255)"),
        ("dark", "rgb(255, 155, 133)", "rgb(0, 0, 0)"),
    ):
        page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        button = page.get_by_role("button", name="Log in with Ubuntu One")
        expect(button).to_have_css("background-color", colour)
        expect(button).to_have_css("color", words)
        expect(page.get_by_role("link", name="ubuntu.com", exact=True)).to_have_css("color", colour)
        logo = page.locator("header img")
        assert ("logo-dark" in str(logo.evaluate("one => one.currentSrc"))) is (look == "dark")
        assert logo.evaluate("one => [one.naturalWidth > 0, one.width, one.height]") == [True, 84, 28]
    expect(page.get_by_text("Welcome to the project.")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_from_a_domain_to_its_address(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], javascript: bool
) -> None:
    name = newcomer("kubuntu-members")
    page = open_page(java_script_enabled=javascript)

    page.goto(stack.portal_url)
    page.get_by_role("link", name="kubuntu.org").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("kubuntu.org")
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    job.choose_person(page, name)
    page.wait_for_url(f"{stack.portal_url}/home#domain-kubuntu-org")

    job.claim(page, f"{name}@kubuntu.org")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_help_is_found_from_everywhere_and_leads_on(
    stack: Stack, open_page: OpenPage, javascript: bool
) -> None:
    page = open_page(java_script_enabled=javascript)

    page.goto(stack.portal_url)
    page.get_by_role("link", name="Help").click()
    page.get_by_role("link", name="Who can read my mail?").click()
    expect(page.get_by_role("heading", name="Who can read my mail?")).to_be_in_viewport()
    page.get_by_role("link", name="The whole answer").click()

    expect(page.get_by_role("heading", name="Who can read my mail?")).to_be_in_viewport()
    assert page.url == f"{stack.portal_url}/privacy#readers"


def tab_stops(page: Page, most: int) -> Iterator[str]:
    """Press Tab and yield the words of what has the focus each time."""
    for _ in range(most):
        page.keyboard.press("Tab")
        yield page.evaluate("document.activeElement.innerText.trim()")


@pytest.mark.parametrize("path", ["/", "/d/kubuntu.org", "/help", "/help/leave", "/privacy"])
def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    stack: Stack, open_page: OpenPage, path: str
) -> None:
    page = open_page()
    page.goto(stack.portal_url + path)
    reachable = page.locator("a:visible, button:visible").evaluate_all(
        "all => all.map((one) => one.innerText.trim())"
    )

    stops = list(tab_stops(page, len(reachable)))

    assert stops == reachable
    assert stops[0] == "Skip to the content"


def test_what_has_the_focus_can_be_seen(site: str, open_page: OpenPage) -> None:
    """WCAG 2.2, 2.4.7: an outline that differs from what is around it."""
    page = open_page()
    page.goto(f"{site}/d/kubuntu.org")

    for _ in itertools.takewhile(lambda words: words != "Write to the admins", tab_stops(page, 20)):
        outline = page.evaluate("getComputedStyle(document.activeElement).outline")
        assert "none" not in outline
        assert " 0px" not in outline


def test_an_error_in_a_part_of_a_page_takes_the_focus(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(400)
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    page.evaluate("document.getElementsByName('csrf_token').forEach((one) => { one.value = 'old' })")

    page.get_by_role("button", name=f"Claim {name}@ubuntu.com").click()

    heading = page.get_by_role("alert").get_by_role("heading", level=1)
    expect(heading).to_have_text("This form is out of date")
    expect(heading).to_be_focused()
