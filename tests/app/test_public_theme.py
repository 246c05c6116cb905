"""The project's own look: what a theme may be, and what becomes of it on the pages."""

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from app.colours import BEHIND, READABLE, accent_problem, contrast, stylesheet
from app.theme import BUILT_CSS, Theme, load_theme
from core.settings import SettingsError
from devtools.servers import PretendServers
from devtools.stack import free_port
from tests.app.conftest import fill_database, portal_settings
from tests.app.test_public_pages import OpenSite, open_site, page_at
from tests.support.environment import environment_of
from tests.support.page import read_page

__all__ = ["open_site"]

ROOT = Path(__file__).parents[2]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 10"><rect width="30" height="10"/></svg>'
ACCENTS = '[accent]\nlight = "#a3230f"\ndark = "#ff9b85"\n'

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def png(width: int, height: int) -> bytes:
    """Write a grey picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


MakeTheme = Callable[..., Path]


@pytest.fixture
def make_theme(tmp_path: Path) -> MakeTheme:
    """Makes a theme's folder of files: `{"logo.svg": "<svg…", …}`."""

    def make(files: dict[str, str | bytes]) -> Path:
        folder = tmp_path / "theme"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        folder.mkdir(exist_ok=True)
        return folder

    return make


def complaint(folder: Path) -> str:
    """Return the sentence with which a theme is refused."""
    with pytest.raises(SettingsError) as refused:
        load_theme(folder)
    assert str(refused.value).endswith(".")
    return str(refused.value)


# -- colours -------------------------------------------------------------------------------------


def test_contrast_is_that_of_the_guidelines() -> None:
    """WCAG 2.2: black on white is 21 to 1; #767676 is the lightest grey that can be read on white."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == pytest.approx(1)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_the_colours_behind_are_those_of_the_stylesheet() -> None:
    source = (ROOT / "app" / "styles" / "app.scss").read_text()
    light, _, dark = source.partition("prefers-color-scheme: dark")
    for look, text in (("light", light), ("dark", dark)):
        found = [re.search(rf"--{name}: #(\w+)", text)[1] for name in ("page", "faint")]  # type: ignore[index]
        assert tuple(f"#{one * 2 if len(one) == 3 else one}" for one in found) == BEHIND[look]


@given(colours, st.sampled_from(["light", "dark"]))
def test_a_refused_colour_comes_with_one_that_is_taken(colour: str, look: str) -> None:
    problem = accent_problem(colour, look)

    if problem is None:
        assert all(contrast(colour, page) >= READABLE for page in BEHIND[look])
    else:
        offered = problem.rpartition(" ")[2]
        assert accent_problem(offered, look) is None


@given(colours, colours)
def test_the_words_of_a_button_can_be_read_in_each_of_its_states(light: str, dark: str) -> None:
    for rules in stylesheet({"light": light, "dark": dark}).split("@media"):
        states = dict(re.findall(r"--vf-color-button-positive-(\w+):(#\w{6})", rules))
        assert set(states) == {"default", "hover", "active", "text"}
        for state in ("default", "hover", "active"):
            assert contrast(states["text"], states[state]) >= READABLE, state


# -- what a theme may be -------------------------------------------------------------------------


def test_without_a_folder_the_look_is_built_in() -> None:
    assert load_theme(None) == Theme()
    assert Theme().files == {}


def test_an_empty_folder_is_a_theme_too(make_theme: MakeTheme) -> None:
    assert load_theme(make_theme({})) == Theme()


def test_everything_is_found(make_theme: MakeTheme) -> None:
    theme = load_theme(
        make_theme(
            {
                "logo.svg": SVG,
                "logo-dark.png": png(20, 10),
                "domains/Kubuntu.org.svg": SVG,
                "domains/xn--bcher-kva.example.png": png(10, 10),
                "theme.toml": ACCENTS,
                "front.en.txt": "One\nline.\n\n\nTwo.\n",
                "front.ja.txt": "\ufeff日本語。",
                "README": "ours",
            }
        )
    )

    assert theme.logo is not None
    assert (theme.logo.mimetype, theme.logo.ratio) == ("image/svg+xml", 3)
    assert theme.logo_dark is not None
    assert (theme.logo_dark.mimetype, theme.logo_dark.ratio) == ("image/png", 2)
    assert set(theme.domain_logos) == {"kubuntu.org", "xn--bcher-kva.example"}
    assert theme.front == {"en": ("One line.", "Two."), "ja": ("日本語。",)}
    assert set(theme.files) == {
        "logo.svg",
        "logo-dark.png",
        "domains/Kubuntu.org.svg",
        "domains/xn--bcher-kva.example.png",
        "theme.css",
    }


@pytest.mark.parametrize(
    ("language", "words"), [("ja", ("日本語。",)), ("en", ("English.",)), ("fr", ("English.",))]
)
def test_a_language_without_words_gets_the_english_ones(
    make_theme: MakeTheme, language: str, words: tuple[str, ...]
) -> None:
    theme = load_theme(make_theme({"front.en.txt": "English.", "front.ja.txt": "日本語。"}))

    assert theme.intro(language) == words


NOT_A_THEME = {
    "no colours": ({"theme.toml": ""}, "theme.toml must have one table [accent]"),
    "half": ({"theme.toml": '[accent]\nlight="#a3230f"'}, "theme.toml must have one table [accent]"),
    "more": ({"theme.toml": ACCENTS + 'font="Comic"'}, "theme.toml must have one table [accent]"),
    "another table": ({"theme.toml": ACCENTS + "[font]\n"}, "theme.toml must have one table [accent]"),
    "no TOML": ({"theme.toml": "accent: red"}, "theme.toml is no valid TOML"),
    "no UTF-8": ({"theme.toml": b"\xff"}, "theme.toml is no valid TOML"),
    "a name": ({"theme.toml": ACCENTS.replace("#a3230f", "red")}, "accent.light must be a colour such as"),
    "a rule": ({"theme.toml": ACCENTS.replace("#a3230f", "#a3230f}*{x:y")}, "must be a colour such as"),
    "a number": ({"theme.toml": ACCENTS.replace('"#a3230f"', "7")}, "must be a colour such as"),
    "too light": ({"theme.toml": ACCENTS.replace("#a3230f", "#ffcc00")}, "text needs 4.5; take a darker"),
    "too dark": ({"theme.toml": ACCENTS.replace("#ff9b85", "#a3230f")}, "text needs 4.5; take a lighter"),
    "another kind": ({"logo.jpg": b"x"}, "logo.jpg must be one picture with this name, a .svg or a .png"),
    "two": ({"logo.svg": SVG, "logo.png": png(1, 1)}, "logo.svg must be one picture with this name"),
    "no SVG": ({"logo.svg": "<svg"}, "logo.svg is no well-formed SVG"),
    "HTML": ({"logo.svg": "<html/>"}, "logo.svg is no SVG"),
    "odd coding": ({"logo.svg": '<?xml version="1.0" encoding="x"?><svg/>'}, "is no well-formed SVG"),
    "DOCTYPE": ({"logo.svg": f"<!DOCTYPE svg>{SVG}"}, "without a DOCTYPE"),
    "no size": ({"logo.svg": "<svg/>"}, "logo.svg must have a viewBox"),
    "no height": ({"logo.svg": '<svg viewBox="0 0 7 0"/>'}, "logo.svg must have a viewBox"),
    "odd size": ({"logo.svg": '<svg viewBox="0 0 1.2.3 4"/>'}, "logo.svg must have a viewBox"),
    "wide": ({"logo.svg": '<svg viewBox="0 0 70 10"/>'}, "more than 6 times as wide as high"),
    "high": ({"logo.png": png(1, 7)}, "as high as wide"),
    "no PNG": ({"logo.png": b"\x89PNG"}, "logo.png is no whole PNG"),
    "cut off": ({"logo.png": png(9, 9)[:-1]}, "logo.png is no whole PNG"),
    "empty": ({"logo-dark.png": png(0, 9)}, "logo-dark.png is no whole PNG"),
    "big": ({"logo.svg": SVG + " " * 70_000}, "logo.svg is longer than 65536 octets"),
    "no domain": ({"domains/x y.svg": SVG}, "domains/ has a logo that is of no domain"),
    "no words": ({"front.en.txt": " \n\n "}, "front.en.txt must have some words"),
    "many words": ({"front.en.txt": "x" * 4001}, "front.en.txt must have some words, and 4000"),
    "odd words": ({"front.en.txt": b"\xff\xfe"}, "front.en.txt must be a text in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "sentence"), NOT_A_THEME.values(), ids=NOT_A_THEME)
def test_what_does_not_do_is_named(
    make_theme: MakeTheme, files: dict[str, str | bytes], sentence: str
) -> None:
    said = complaint(make_theme(files))

    assert said.startswith("THEME_DIR: ")
    assert sentence in said


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<SCRIPT/>",
        "<foreignObject/>",
        '<rect onclick="alert(1)"/>',
        '<image href="https://evil.example/x.png"/>',
        '<image xmlns:x="http://www.w3.org/1999/xlink" x:href="//evil.example/x.png"/>',
        '<a href="javascript:alert(1)"/>',
        '<use href="other.svg#x"/>',
        '<image href="data:image/svg+xml,x"/>',
        '<rect fill="url(https://evil.example/x)"/>',
        "<rect style=\"background:URL( '//evil.example/x')\"/>",
        "<style>@import 'https://evil.example/x.css';</style>",
        "<style>rect{fill:url(//evil.example/x)}</style>",
        "<?xml-stylesheet href='https://evil.example/x.css'?>",
    ],
)
def test_a_logo_neither_runs_nor_loads_anything(make_theme: MakeTheme, inside: str) -> None:
    said = complaint(make_theme({"logo.svg": SVG.replace("<rect", f"{inside}<rect")}))

    assert "from elsewhere" in said


def test_a_logo_may_use_what_it_has_in_itself(make_theme: MakeTheme) -> None:
    inside = (
        '<defs><linearGradient id="g"/></defs><style>.a{fill:url(#g)} .b{fill: url( "#g" )}</style>'
        '<use href="#g"/><image href="data:image/png;base64,AA"/>'
    )

    assert load_theme(make_theme({"logo.svg": SVG.replace("<rect", f"{inside}<rect")})).logo


@pytest.mark.parametrize(
    "size", ['width="30" height="10"', 'width="30px" height="10px"', 'viewBox="0,0,30,10"']
)
def test_the_proportions_are_read_in_every_form(make_theme: MakeTheme, size: str) -> None:
    logo = load_theme(make_theme({"logo.svg": f"<svg {size}/>"})).logo

    assert logo is not None
    assert logo.ratio == 3


def test_a_file_that_cannot_be_read_is_named(make_theme: MakeTheme) -> None:
    folder = make_theme({})
    (folder / "logo.svg").symlink_to(folder / "nothing.svg")

    assert "logo.svg cannot be read (No such file or directory)" in complaint(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "nowhere") == "THEME_DIR must be a folder that exists."


# -- on the pages --------------------------------------------------------------------------------


def test_a_wrong_theme_stops_the_start_with_its_sentence(
    outside: PretendServers, make_theme: MakeTheme, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_theme({"theme.toml": ACCENTS.replace("#a3230f", "#ffcc00")})
    settings = portal_settings(outside, f"sqlite:///{tmp_path}/w.db", tmp_path, theme_dir=str(folder))

    with pytest.raises(SystemExit) as ended:
        create_app(settings)

    assert ended.value.code == 78
    said = capsys.readouterr().err
    assert said.startswith("Waypost cannot start:\nTHEME_DIR: theme.toml does not do: accent.light: #ffcc00")


def test_a_portal_with_a_wrong_theme_starts_no_worker(
    outside: PretendServers, make_theme: MakeTheme, tmp_path: Path
) -> None:
    """gunicorn would start the next one for ever."""
    folder = make_theme({"logo.svg": "<html/>"})
    settings = portal_settings(outside, f"sqlite:///{tmp_path}/w.db", tmp_path, theme_dir=str(folder))
    fill_database(settings)
    structlog.reset_defaults()
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    environment = environment_of(settings) | {"PORT": str(free_port())}

    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 78
    assert ended.stderr.count("THEME_DIR: logo.svg is no SVG picture.") == 1


@pytest.fixture
def themed(open_site: OpenSite, make_theme: MakeTheme) -> OpenSite:
    """Opens a portal with a theme of these files."""

    def open_one(**files: str | bytes) -> object:
        return open_site(theme_dir=str(make_theme(files)))

    return open_one  # type: ignore[return-value]


def test_the_pages_have_the_logos_and_colours(themed: OpenSite) -> None:
    site = themed(
        **{
            "logo.svg": SVG,
            "logo-dark.png": png(30, 10),
            "domains/kubuntu.org.png": png(10, 10),
            "theme.toml": ACCENTS,
            "front.en.txt": "Come <b>in</b>.\n\nYou are welcome.",
        }
    )
    front = page_at(site, "/")
    domain = page_at(site, "/d/kubuntu.org")

    header = front.one("header")
    image = header.one("img")
    assert image["src"].startswith("/theme/logo.svg?v=")
    assert (image["width"], image["height"], image["alt"]) == ("84", "28", "")
    assert header.one("source")["srcset"].startswith("/theme/logo-dark.png?v=")
    assert front.one("link", rel="icon")["href"] == image["src"]
    assert front.one("link", rel="stylesheet")["href"].startswith("/theme/theme.css?v=")
    assert [one.text for one in front.one("div", class_="hero").all("p")] == [
        "Come <b>in</b>.",
        "You are welcome.",
    ]
    assert domain.one("main").one("img")["src"].startswith("/theme/domains/kubuntu.org.png?v=")


def test_the_stylesheet_is_one_file_the_built_one_and_the_accents(themed: OpenSite) -> None:
    site = themed(**{"theme.toml": ACCENTS})
    link = page_at(site, "/").one("link", rel="stylesheet")["href"]

    answer = site.get(link)

    assert answer.mimetype == "text/css"
    assert answer.text == BUILT_CSS.read_text() + stylesheet({"light": "#a3230f", "dark": "#ff9b85"})


def test_files_are_cached_for_good(themed: OpenSite) -> None:
    site = themed(**{"logo.svg": SVG, "theme.toml": ACCENTS})
    page = page_at(site, "/")

    for link in (page.one("link", rel="icon")["href"], page.one("link", rel="stylesheet")["href"]):
        answer = site.get(link)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src")
        assert "Set-Cookie" not in answer.headers
        assert "HX-Request" not in answer.headers.get("Vary", "")
        again = site.get(link, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_a_logo_opened_by_itself_may_run_nothing(themed: OpenSite) -> None:
    answer = themed(**{"logo.svg": SVG}).get("/theme/logo.svg")

    policy = answer.headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path",
    [
        "theme.toml",
        "front.en.txt",
        "README",
        "../wsgi.py",
        "%2e%2e/wsgi.py",
        "domains/",
        "logo-dark.svg",
        "LOGO.SVG",
        "",
    ],
)
def test_nothing_else_of_the_folder_is_served(themed: OpenSite, path: str) -> None:
    site = themed(**{"logo.svg": SVG, "theme.toml": ACCENTS, "front.en.txt": "x", "README": "ours"})

    answer = site.get(f"/theme/{path}")

    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_error_page_keeps_its_look_while_the_database_is_gone(themed: OpenSite, tmp_path: Path) -> None:
    site = themed(**{"logo.svg": SVG, "theme.toml": ACCENTS})
    (tmp_path / "waypost.db").rename(tmp_path / "away.db")
    (tmp_path / "waypost.db").mkdir()

    answer = site.get("/help")
    page = read_page(answer.text)

    assert answer.status_code == 503
    for link in (page.one("link", rel="stylesheet")["href"], page.one("header").one("img")["src"]):
        assert site.get(link).status_code == 200
