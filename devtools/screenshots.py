"""`script/screenshots [FOLDER]`: pictures of every page into `docs/screenshots/`, to be looked at.

Each page as a desktop, a phone, a dark desktop and a browser in Japanese show it, empty, filled and with what
is hard to lay out: an error, the longest names, forty domains. README.md beside them shows them in order.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from devtools.camera import CHROMIUM, ENGLISH, FLAGS, JAPANESE, QUALITY, SCALE, TALLEST, Album, Camera, Stage
from devtools.pictures_admin import ADMIN_FIRST, ADMIN_STAGES, many
from devtools.pictures_portal import PORTAL_STAGES, extremes, shared
from devtools.stack import ROOT, Stack

ABOUT = f"""# What every page looks like

`script/screenshots` makes these pictures and this page anew. Each page is shown on a desktop (1040 px wide),
on a phone (390 px), in the dark, and in Japanese on both; what is hard to lay out, at 320 px too. The further
states of a page repeat most of it and are shown on a phone only, in English and in Japanese. To keep the
folder small the pictures are {SCALE:.0%} as large as the page, end at {TALLEST} px of it and are WebP at
{QUALITY} %. Dark pages at 320 px are looked at by `tests/browser/test_looks.py`.
"""


SHARED: tuple[tuple[str, Stage], ...] = (("An address of several people", shared),)
LAST: tuple[tuple[str, Stage], ...] = (("Extremes", extremes), ("Extremes", many))
STAGES = (*ADMIN_FIRST, *PORTAL_STAGES, *ADMIN_STAGES, *SHARED, *LAST)
"""In the order in which one may follow the other."""
SECTIONS = (*PORTAL_STAGES, *SHARED, *ADMIN_FIRST, *ADMIN_STAGES, *LAST)
"""In the order in which they are shown."""


def index(album: Album) -> str:
    """Return the page that shows all pictures, by section."""
    lines = [ABOUT]
    for section in dict.fromkeys(section for section, _ in SECTIONS):
        pages = album.sections[section]
        lines.append(f"## {section}\n")
        for name, (title, looks) in pages.items():
            shown = [look for look in (*ENGLISH, *JAPANESE) if look.name in looks]
            links = [f"[{look.title}]({name}-{look.name}.webp)" for look in shown]
            lines.append(f"- {title}: {', '.join(links)}")
        lines.append("")
    return "\n".join(lines)


def has_japanese_letters() -> bool:
    """Whether a font of this machine has them."""
    found = subprocess.run(["fc-list", ":lang=ja"], capture_output=True, check=False)
    return bool(found.stdout.strip())


def main() -> None:
    """Make all pictures, in the place of those that are there."""
    if not has_japanese_letters():
        print(
            "No font here has Japanese letters: boxes stand for them. Debian: fonts-noto-cjk", file=sys.stderr
        )
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("*.png", "*.webp"):
        for old in folder.glob(kind):
            old.unlink()
    album = Album(folder)
    with Stack() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        cameras = [Camera(browser, stack, album, japanese=japanese) for japanese in (False, True)]
        for section, stage in STAGES:
            for camera in cameras:
                camera.section = section
                stage(camera)
        browser.close()
    (folder / "README.md").write_text(index(album))


if __name__ == "__main__":
    main()
