"""Faults of our own: logged by kind and place alone, since texts and frames may hold addresses or mail."""

import traceback
from pathlib import Path

import structlog

log = structlog.get_logger()


def report(where: str, error: BaseException | None) -> None:
    """Log a fault.

    where: the part of the relay that caught it. error: its text is not used.
    """
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    log.error("relay.fault", where=where, kind=type(error).__name__, place=place)
