"""Ready-made domains of known projects: data in `core/presets/`, not code."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class DomainPreset:
    """A domain and the teams that entitle to it."""

    name: str
    teams: tuple[str, ...]


def load_preset(name: str) -> list[DomainPreset]:
    """Read a preset such as `ubuntu`.

    Raises FileNotFoundError when there is none of that name.
    """
    data = tomllib.loads((FOLDER / f"{Path(name).name}.toml").read_text())
    return [DomainPreset(item["name"], tuple(item["teams"])) for item in data["domain"]]
