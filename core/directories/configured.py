"""The directory that the settings choose."""

from core.directories import Directory
from core.directories.launchpad import Launchpad
from core.directories.roster import RosterDirectory
from core.settings import Settings


def make_directory(settings: Settings) -> Directory:
    """Make the directory of this installation; asks it nothing yet."""
    if settings.roster_file is not None:
        return RosterDirectory(settings.roster_file, settings.identity_issuer)
    return Launchpad(settings.launchpad_api_url, settings.user_agent)
