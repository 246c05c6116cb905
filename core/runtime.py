"""What every process does first: read the settings, choose the database, key the audit chain, log."""

import logging
import sys
from typing import NoReturn

import structlog
from peewee import DatabaseError

from core import audit, database
from core.settings import Settings, SettingsError, load_settings


def start(keep_connections: bool = False) -> Settings:
    """Make a process ready for work; ends it with sentences on stderr when a setting is wrong.

    keep_connections: as of `core.database.configure`.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        refuse(error)
    prepare(settings, keep_connections)
    return settings


def refuse(why: object) -> NoReturn:
    """End the process with sentences on what is wrong and what to do."""
    sys.stderr.write(f"Waypost cannot start:\n{why}\n")
    raise SystemExit(78) from None  # EX_CONFIG of sysexits.h


def require_tables() -> None:
    """End the process with a sentence when the database's tables are older than this version.

    A database that is gone for the moment is no reason to end: whoever asks it next says so.
    """
    try:
        pending = database.pending_migrations()
    except DatabaseError:
        return
    if pending:
        refuse("The tables are older than it: run `waypost migrate`.")


def prepare(settings: Settings, keep_connections: bool = False) -> None:
    """Apply settings to this process; opens no connection.

    keep_connections: as of `core.database.configure`.
    """
    database.configure(settings.database_url, keep_connections)
    audit.use_secret(settings.record_secret)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level]
        ),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
