"""Accent colours: whether text in them can be read, and what links and buttons make of them."""

import re

READABLE = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""

BEHIND = {"light": ("#ffffff", "#f7f7f7"), "dark": ("#181818", "#262626")}
"""What text stands on in each look: `--page` and `--faint` of app/styles/app.scss."""

BLACK, WHITE = "#000000", "#ffffff"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as `#rrggbb`: 1 to 21 (WCAG 2.2, contrast ratio)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def accent_problem(colour: object, look: str) -> str | None:
    """Say in a sentence why a colour cannot be the accent of a look (`light`, `dark`), or None."""
    if not isinstance(colour, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        return f"accent.{look} must be a colour such as #a01860"
    behind = min(BEHIND[look], key=lambda page: contrast(colour, page))
    reached = contrast(colour, behind)
    if reached >= READABLE:
        return None
    direction = "darker" if look == "light" else "lighter"
    return (
        f"accent.{look}: {colour} on {behind} has a contrast of {reached:.2f}, and text needs {READABLE}; "
        f"take a {direction} colour, for example {_readable(colour, look)}"
    )


def stylesheet(accents: dict[str, str]) -> str:
    """Write the rules for the accents of both looks, to stand after the portal's own stylesheet."""
    return f"{_rules(accents['light'])}@media(prefers-color-scheme:dark){{{_rules(accents['dark'])}}}\n"


def _rules(accent: str) -> str:
    """Colour links and the main buttons; a button's words stay readable while it is pressed, too."""
    words, away = max((WHITE, BLACK), (BLACK, WHITE), key=lambda pair: contrast(accent, pair[0]))
    button = "--vf-color-button-positive"
    return (
        f":root{{--link:{accent};{button}-default:{accent};{button}-hover:{_mix(accent, away, 0.12)};"
        f"{button}-active:{_mix(accent, away, 0.24)};{button}-text:{words}}}"
        f".p-button--positive{{--vf-focus-outline-color:{words}}}"
    )


def _readable(colour: str, look: str) -> str:
    """Return the nearest shade of a colour that can be read in a look."""
    end = BLACK if look == "light" else WHITE
    shades = (_mix(colour, end, share / 100) for share in range(101))
    return next(s for s in shades if all(contrast(s, page) >= READABLE for page in BEHIND[look]))


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _luminance(colour: str) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
