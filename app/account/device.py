"""What to call a browser: its family and system, read from the request and never stored."""

import re

from flask_babel import gettext as _

FAMILIES = {
    "Edg(e|A|iOS)?/": "Edge",
    "(OPR|Opera)/": "Opera",
    "(Firefox|FxiOS)/": "Firefox",
    "(Chrome|Chromium|CriOS)/": "Chrome",
    "Safari/": "Safari",
}
"""In this order: a browser names those that it is like, too."""

SYSTEMS = {
    "Android": "Android",
    "iPhone|iPad": "iOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux|X11": "Linux",
}


def device_words(user_agent: str) -> str:
    """Say in words which browser this is; an unknown one is a browser all the same."""
    family = _first(FAMILIES, user_agent) or _("A browser")
    system = _first(SYSTEMS, user_agent)
    return _("%(browser)s on %(system)s", browser=family, system=system) if system else family


def _first(names: dict[str, str], user_agent: str) -> str | None:
    return next((name for pattern, name in names.items() if re.search(pattern, user_agent)), None)
