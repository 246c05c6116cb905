"""The directory that the settings choose."""

from core.directories import Directory, NameDirectory
from core.directories.launchpad import Launchpad
from core.directories.launchpad_names import LaunchpadNames
from core.directories.roster import RosterDirectory
from core.settings import Settings


def make_directory(settings: Settings) -> Directory:
    """Make the directory of this installation; asks it nothing yet."""
    if settings.roster_file is not None:
        return RosterDirectory(settings.roster_file, settings.identity_issuer)
    return Launchpad(settings.launchpad_api_url, settings.user_agent)


def make_name_directory(settings: Settings) -> NameDirectory:
    """Make what finds people by their names; asks it nothing yet."""
    if settings.roster_file is not None:
        return RosterDirectory(settings.roster_file, settings.identity_issuer)
    return LaunchpadNames(
        Launchpad(settings.launchpad_api_url, settings.user_agent),
        settings.launchpad_web_url,
        settings.user_agent,
        issuer=settings.openid_provider_url,
        prefix=settings.openid_claimed_id_prefix,
    )
