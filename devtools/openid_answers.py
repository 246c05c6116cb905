"""What a positive OpenID answer says of a person: sreg, AX, Launchpad teams and PAPE."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from openid.extension import Extension
from openid.extensions import ax, sreg
from openid.extensions.draft import pape5 as pape

from devtools.accounts import Account
from devtools.world import World

TEAMS_NS = "http://ns.launchpad.net/2007/openid-teams"
ACCOUNT_VERIFIED = "http://ns.login.ubuntu.com/2013/validation/account"

SHARED = ("nickname", "email", "fullname", "teams")  # what the person may untick


class TeamsAnswer(Extension):
    """Launchpad's teams extension: those teams of the asked ones which the person is in."""

    ns_uri: Any = TEAMS_NS
    ns_alias: Any = "lp"

    def __init__(self, teams: list[str]) -> None:
        super().__init__()
        self._teams = teams

    def getExtensionArgs(self) -> dict[str, str]:  # noqa: N802
        """Called by the library."""
        return {"is_member": ",".join(self._teams)}


def asked_teams(checkid: Any) -> list[str]:
    """The team names of a checkid request, in order."""
    names = checkid.message.getArg(TEAMS_NS, "query_membership", "")
    return [name for name in names.split(",") if name]


def add_extensions(
    response: Any, account: Account, world: World, share: Collection[str], auth_time: datetime
) -> None:
    """Adds to an OpenIDResponse what was asked for and is shared, as Ubuntu One does."""
    checkid = response.request
    facts = _facts(account, share)
    response.addExtension(_sreg_answer(checkid, facts))
    ax_answer = _ax_answer(checkid, account, facts)
    if ax_answer:
        response.addExtension(ax_answer)
    if checkid.message.getArg(TEAMS_NS, "query_membership") is not None:
        response.addExtension(TeamsAnswer(_teams(checkid, account, world) if "teams" in share else []))
    if pape.Request.fromOpenIDRequest(checkid):
        response.addExtension(pape.Response(auth_time=auth_time.strftime("%Y-%m-%dT%H:%M:%SZ")))


def login_time(checkid: Any, login_age: float, honours_max_auth_age: bool) -> datetime:
    """When the person gave the password: `login_age` seconds ago, or now if that is too old for PAPE."""
    asked = pape.Request.fromOpenIDRequest(checkid)
    limit = asked.max_auth_age if asked else None
    is_too_old = limit is not None and login_age > limit
    age = 0 if is_too_old and honours_max_auth_age else login_age
    return datetime.now(UTC) - timedelta(seconds=age)


def _facts(account: Account, share: Collection[str]) -> dict[str, str]:
    nickname = account.name if account.on_launchpad else None
    facts = {"nickname": nickname, "email": account.email, "fullname": account.display_name}
    given = {name: value for name, value in facts.items() if value and name in share}
    return given | {"language": account.language, "timezone": account.time_zone}


def _sreg_answer(checkid: Any, facts: dict[str, str]) -> Any:
    return sreg.SRegResponse.extractResponse(sreg.SRegRequest.fromOpenIDRequest(checkid), facts)


def _ax_answer(checkid: Any, account: Account, facts: dict[str, str]) -> Any | None:
    request = ax.FetchRequest.fromOpenIDRequest(checkid)
    if request is None:
        return None
    values = {
        "http://axschema.org/namePerson": facts.get("fullname"),
        "http://axschema.org/namePerson/friendly": facts.get("nickname"),
        "http://axschema.org/contact/email": facts.get("email"),
        "http://axschema.org/timezone": facts["timezone"],
        "http://axschema.org/language/pref": facts["language"],
        ACCOUNT_VERIFIED: "token_via_email" if account.email_verified else "no",
    }
    answer = ax.FetchResponse(request)
    for type_uri, value in values.items():
        if value and type_uri in request:
            answer.addValue(type_uri, value)
    return answer


def _teams(checkid: Any, account: Account, world: World) -> list[str]:
    own = {team.name for team in world.super_teams(account.name) if not team.private}
    return [name for name in asked_teams(checkid) if name in own]
