"""Where the published suites are: beside the checkout, or where WAYPOST_SUITES says."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

SUITES = Path(os.environ.get("WAYPOST_SUITES") or Path(__file__).parents[3] / "shared" / "suites")


def scenarios(name: str) -> list[dict[str, Any]]:
    """Read the scenarios of a suite's file; none where the suites are not there."""
    path = SUITES / name
    if not path.exists():
        return []
    # "\x80" and the like stand for octets there, so each character is one octet.
    return [scenario for scenario in yaml.safe_load_all(path.read_text("utf-8")) if scenario]


def cases(name: str, key: str = "tests") -> list[Any]:
    """Return (scenario, test) parameters of a file, or one that skips and says why."""
    found = [
        pytest.param(scenario, test, id=f"{scenario['description'].strip()}-{test}".replace(" ", "_"))
        for scenario in scenarios(name)
        for test in scenario[key]
    ]
    missing = pytest.mark.skip(
        reason=f"the suite {SUITES / name} is not here; set WAYPOST_SUITES to its folder"
    )
    return found or [pytest.param(None, None, id="suite-missing", marks=missing)]
