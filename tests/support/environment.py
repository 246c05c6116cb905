"""Settings as the environment of another process."""

import os

from core.settings import Settings


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables from which a process reads the same settings, and PATH."""
    given = settings.model_dump(exclude_none=True, exclude_defaults=True)
    texts = {name: ",".join(v) if isinstance(v, list) else str(v) for name, v in given.items()}
    return {"PATH": os.environ["PATH"]} | {name.upper(): text for name, text in texts.items()}
