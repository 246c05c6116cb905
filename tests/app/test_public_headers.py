"""What browsers are told to keep to, on every kind of answer."""

import pytest

from app.security import PERMISSIONS
from tests.app.test_public_pages import OpenSite, open_site
from tests.app.test_public_theme import SVG, MakeTheme, make_theme

__all__ = ["make_theme", "open_site"]

SITE = "https://portal.example.org"
ANSWERS = [
    "/",
    "/d/ubuntu.com",
    "/help",
    "/help/spam",
    "/privacy",
    "/home",
    "/nowhere",
    "/static/built/app.css",
    "/theme/logo.svg",
]


@pytest.mark.parametrize("path", ANSWERS)
def test_the_policies_are_on_every_answer(open_site: OpenSite, make_theme: MakeTheme, path: str) -> None:
    site = open_site(public_url=SITE, theme_dir=str(make_theme({"logo.svg": SVG})))

    headers = site.get(path, base_url=SITE).headers

    assert headers["Strict-Transport-Security"] == "max-age=31536000"  # of this host: others are not ours
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == PERMISSIONS
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    assert "'unsafe" not in policy or path.endswith(".svg")
    assert "frame-ancestors 'none'" in policy


def test_what_the_portal_never_needs_is_off() -> None:
    switched_off = dict(part.split("=") for part in PERMISSIONS.split(", "))

    assert {"camera", "geolocation", "microphone", "payment"} <= switched_off.keys()
    assert set(switched_off.values()) == {"()"}
