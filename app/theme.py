"""The project's own look: logos, two colours and the front page's words, from the folder THEME_DIR.

All of it is read and checked once, when the portal starts. docs/theme.md says what may be there.
"""

import hashlib
import re
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from app.colours import accent_problem, stylesheet
from core import runtime
from core.addresses import AddressError, to_ascii_domain
from core.settings import SettingsError

BUILT_CSS = Path(__file__).parent / "static" / "built" / "app.css"
MAX_LOGO = 64 * 1024  # octets: the whole first page shall stay small
MAX_WORDS = 4000  # characters
WIDEST = 6  # a logo's width over its height: it stands beside the name on a phone
PICTURES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class File:
    """A file of the theme: its name below /theme/, what is in it, and its media type."""

    name: str
    content: bytes = field(repr=False)
    mimetype: str
    ratio: float = 1.0
    """Width over height of a picture."""

    @cached_property
    def version(self) -> str:
        """Changes with the content, so that the file can be cached for good."""
        return hashlib.sha256(self.content).hexdigest()[:12]


@dataclass(frozen=True)
class Theme:
    """What a project has of its own; whatever it has not is as built in."""

    logo: File | None = None
    logo_dark: File | None = None
    """The logo on a dark page."""
    domain_logos: Mapping[str, File] = field(default_factory=dict)
    stylesheet: File | None = None
    """The portal's own with the accents at its end."""
    front: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By language: the paragraphs with which the front page begins."""

    @cached_property
    def files(self) -> dict[str, File]:
        """Everything that is served, by name."""
        found = (self.logo, self.logo_dark, self.stylesheet, *self.domain_logos.values())
        return {file.name: file for file in found if file is not None}

    def intro(self, language: str) -> tuple[str, ...]:
        """Return the front page's paragraphs in a language, else in English, else none."""
        return self.front.get(language) or self.front.get("en") or ()


def load_theme(folder: Path | None) -> Theme:
    """Read and check a theme; None is the built-in look.

    Raises SettingsError with a sentence that names the file and says what to do.
    """
    if folder is None:
        return Theme()
    if not folder.is_dir():
        raise SettingsError("THEME_DIR must be a folder that exists.")
    domain_logos = _pictures(folder, "domains")
    try:
        by_domain = {to_ascii_domain(name): file for name, file in domain_logos.items()}
    except AddressError as error:
        raise SettingsError(f"THEME_DIR: domains/ has a logo that is of no domain. {error}") from None
    logos = _pictures(folder, "")
    return Theme(
        logo=logos.get("logo"),
        logo_dark=logos.get("logo-dark"),
        domain_logos=by_domain,
        stylesheet=_stylesheet(folder / "theme.toml"),
        front={path.name.split(".")[1]: _words(path) for path in sorted(folder.glob("front.*.txt"))},
    )


def require_theme(folder: Path | None) -> Theme:
    """Read a theme as `load_theme` does; end the process with a sentence when it does not do."""
    try:
        return load_theme(folder)
    except SettingsError as error:
        runtime.refuse(error)


def _refused(path: Path, why: str) -> SettingsError:
    return SettingsError(f"THEME_DIR: {path.name} {why}.")


def _read(path: Path, most: int) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from None
    if len(content) > most:
        raise _refused(path, f"is longer than {most} octets")
    return content


def _pictures(folder: Path, below: str) -> dict[str, File]:
    """Read the logos of the theme's folder, or of a folder in it, by name without ending."""
    found: dict[str, File] = {}
    for path in sorted((folder / below).glob("*" if below else "logo*")):
        mimetype = PICTURES.get(path.suffix)
        if mimetype is None or path.stem in found:
            raise _refused(path, "must be one picture with this name, a .svg or a .png")
        content = _read(path, MAX_LOGO)
        ratio = _svg_ratio(path, content) if path.suffix == ".svg" else _png_ratio(path, content)
        if not 1 / WIDEST <= ratio <= WIDEST:
            raise _refused(path, f"is more than {WIDEST} times as wide as high, or as high as wide")
        name = f"{below}/{path.name}" if below else path.name
        found[path.stem] = File(name, content, mimetype, ratio)
    return found


def _png_ratio(path: Path, content: bytes) -> float:
    """Return width over height as the header says it (PNG 3rd edition, 5.2 and 11.2.1)."""
    is_whole = content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", content[16:24]) if is_whole and content[12:16] == b"IHDR" else (0, 0)
    if not width or not height:
        raise _refused(path, "is no whole PNG picture")
    return float(width / height)


def _svg_ratio(path: Path, content: bytes) -> float:
    """Return width over height; refuse what runs, or what loads something from elsewhere."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise _refused(path, "is no well-formed SVG picture without a DOCTYPE") from None
    if _local(root.tag) != "svg":
        raise _refused(path, "is no SVG picture")
    for element in root.iter():
        values = [*element.attrib.items(), ("", element.text or "")]
        is_active = _local(element.tag).lower() in ("script", "foreignobject")
        if is_active or any(_reaches_out(_local(name), value) for name, value in values):
            raise _refused(path, "must hold no script and nothing from elsewhere: export it as plain SVG")
    if b"<?xml-stylesheet" in content:
        raise _refused(path, "must hold no stylesheet from elsewhere: export it as plain SVG")
    numbers = re.findall(r"[0-9.]+", root.get("viewBox", "")) or ["0", "0", *_size(root.attrib)]
    try:
        return float(numbers[2]) / float(numbers[3])
    except (ValueError, IndexError, ZeroDivisionError):
        raise _refused(path, "must have a viewBox, so that its proportions are known") from None


def _local(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def _size(attributes: Mapping[str, str]) -> list[str]:
    return [attributes.get(name, "").removesuffix("px") for name in ("width", "height")]


def _reaches_out(name: str, value: str) -> bool:
    """Whether an attribute, or the text of a style, runs something or names another file."""
    if name.lower().startswith("on"):
        return True
    if name == "href" and not value.startswith(("#", "data:image/png", "data:image/jpeg")):
        return True
    return re.search(r"""url\((?!\s*["']?#)|@import|image-set\(""", value, re.IGNORECASE) is not None


def _stylesheet(path: Path) -> File | None:
    """Read `theme.toml` and make the whole stylesheet of it; None when there is none."""
    if not path.exists():
        return None
    try:
        told = tomllib.loads(_read(path, MAX_LOGO).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(path, f"is no valid TOML ({error})") from None
    accents = told.get("accent")
    if set(told) != {"accent"} or not isinstance(accents, dict) or set(accents) != {"light", "dark"}:
        raise _refused(path, "must have one table [accent] with a colour for light and one for dark")
    for look, colour in accents.items():
        problem = accent_problem(colour, look)
        if problem is not None:
            raise _refused(path, f"does not do: {problem}")
    content = BUILT_CSS.read_bytes() + stylesheet(accents).encode()
    return File("theme.css", content, "text/css")


def _words(path: Path) -> tuple[str, ...]:
    """Read the paragraphs of a text; an empty line stands between them."""
    try:
        text = _read(path, 4 * MAX_WORDS).decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _refused(path, "must be a text in UTF-8") from None
    paragraphs = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip())
    if not paragraphs or len(text) > MAX_WORDS:
        raise _refused(path, f"must have some words, and {MAX_WORDS} characters at most")
    return paragraphs
