"""A pretend Launchpad: its web service `/1.0/` and `/devel/`, its people pages, and its bad days."""

from __future__ import annotations

import gzip
import html as markup
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devtools.accounts import Account, Membership, MembershipStatus, Status, Team
from devtools.faults import Fault, FaultKind, FaultList, replaced_answer
from devtools.launchpad_json import (
    COLLECTIONS,
    Page,
    Site,
    entry_json,
    etag,
    membership_json,
    page_json,
)
from devtools.webserver import Answer, ControlError, Request, WebServer, control, html, text
from devtools.world import World

DEFAULT_PAGE = 75
LARGEST_PAGE = 300
LOG_LENGTH = 10_000

PROVIDER_PREFIXES = ("https://login.ubuntu.com/+id/", "https://login.launchpad.net/+id/")

WORLD_CHANGES = frozenset(
    [
        *("register", "update", "rename", "take_name", "sign_coc", "suspend", "deactivate", "reactivate"),
        *("close", "merge", "join", "leave", "expire", "delete_team"),
    ]
)


@dataclass(frozen=True)
class Served:
    """One request that was served: for tests."""

    method: str
    target: str
    user_agent: str
    status: int
    at: float


class _Refusal(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class PretendLaunchpad:
    """Serves a world as Launchpad would to an anonymous reader.

    Args:
        world: may change while it is served.
        port: 0 takes a free one.
        identifier_prefixes: what OpenID claimed ids may begin with in getByOpenIDIdentifier.
        compress: answers in gzip who accepts it.

    Attributes:
        latency: seconds before every answer of the web service and the people pages.
        faults: what goes wrong; see `fail`.
        delegate_prefix: begin of the claimed id that a person's web page delegates to.
    """

    def __init__(
        self,
        world: World,
        *,
        port: int = 0,
        identifier_prefixes: tuple[str, ...] = PROVIDER_PREFIXES,
        compress: bool = False,
    ) -> None:
        self.world = world
        self.identifier_prefixes = identifier_prefixes
        self.delegate_prefix = "https://login.launchpad.net/+id/"
        self.latency = 0.0
        self.faults = FaultList()
        self._compress = compress
        self._web = WebServer(self._serve, port=port)
        self._log: deque[Served] = deque(maxlen=LOG_LENGTH)
        self._counts: Counter[str] = Counter()
        self._log_lock = threading.Lock()

    # -- for tests and the demo ------------------------------------------------------------------

    def start(self) -> None:
        """Listens on 127.0.0.1."""
        self._web.start()

    def stop(self) -> None:
        """Stops; requests that hang are cut."""
        self._web.stop()

    @property
    def url(self) -> str:
        """The root of web site and web service: `http://127.0.0.1:PORT/`."""
        return self._web.url

    def fail(
        self, kind: FaultKind | str, prefix: str = "/", *, times: int | None = None, seconds: float = 1.0
    ) -> None:
        """Puts a fault in force for paths that begin with `prefix` (as in `/1.0/~ada`).

        It is shown in the next `times` answers, or until `heal`; `seconds` are those of "slow" and of
        the Retry-After headers.
        """
        self.faults.add(Fault(FaultKind(kind), prefix, times, seconds))

    def heal(self) -> None:
        """Ends all faults and the latency."""
        self.faults.clear()
        self.latency = 0.0

    @property
    def served(self) -> list[Served]:
        """The last requests, oldest first."""
        with self._log_lock:
            return list(self._log)

    def count(self, prefix: str = "/") -> int:
        """How many requests came for paths that begin so, since the start or `forget`."""
        with self._log_lock:
            return sum(number for path, number in self._counts.items() if path.startswith(prefix))

    def forget(self) -> None:
        """Empties the log and the counts."""
        with self._log_lock:
            self._log.clear()
            self._counts.clear()

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        """`{"latency": 2, "fault": {"kind": "429", "times": 3}, "clear": true, "world": [...]}`.

        `clear` counts first. `world` is as in `["rename", "ada", "ada2"]`: the change's name and its
        arguments, the last of which may be an object with the named ones.
        """
        if order.get("clear"):
            self.heal()
        self.latency = float(order.get("latency", self.latency))
        if "fault" in order:
            self.fail(**order["fault"])
        if "world" in order:
            change, *arguments = order["world"]
            if change not in WORLD_CHANGES:
                raise ControlError(f"no change of the world is called {change}")
            named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
            getattr(self.world, change)(*arguments, **named)
        faults = [{"kind": one.kind, "prefix": one.prefix, "times": one.times} for one in self.faults.all()]
        return {"latency": self.latency, "faults": faults, "requests": self.count()}

    # -- answering -------------------------------------------------------------------------------

    def _serve(self, request: Request) -> Answer:
        if request.path == "/_control":
            return control(request, self._control)
        if self.latency:
            time.sleep(self.latency)
        fault = self.faults.take(request.path, _page_start(request))
        answer = self._right_answer(request, fault)
        if fault:
            answer = replaced_answer(fault, answer)
        if self._compress and "gzip" in request.header("accept-encoding") and answer.status == 200:
            headers = (("Content-Encoding", "gzip"), *answer.headers)
            answer = replace(answer, body=gzip.compress(answer.body, 1), headers=headers)
        user_agent = request.header("user-agent")
        with self._log_lock:
            self._log.append(Served(request.method, request.target, user_agent, answer.status, time.time()))
            self._counts[request.path] += 1
        return answer

    def _right_answer(self, request: Request, fault: Fault | None) -> Answer:
        try:
            version, _, rest = request.path.lstrip("/").partition("/")
            if version not in ("1.0", "devel"):
                return self._web_page(request)
            site = Site(f"{self.url}{version}/", self.url)
            return self._resource(request, rest.rstrip("/"), site, fault)
        except _Refusal as refusal:
            oops = ("X-Lazr-OopsId", f"OOPS-{abs(hash(request.target)):032x}")
            return text(refusal.status, str(refusal), oops)

    def _resource(self, request: Request, path: str, site: Site, fault: Fault | None) -> Answer:
        if request.method not in ("GET", "HEAD"):
            raise _Refusal(405, f"Method not allowed: {request.method}")
        first, _, rest = path.partition("/")
        if first in ("people", "+me"):
            return self._people(request, rest or first, site, fault)
        if not first.startswith("~"):
            raise _Refusal(404, f"Object: <WebServiceApplication>, name: '{first}'")
        if first != first.lower():
            return _moved(f"{site.api}{first.lower()}{'/' if rest else ''}{rest}", request)
        entry = self._find(first)
        if not rest:
            return self._entry(request, entry, site)
        if rest in COLLECTIONS:
            return self._collection(request, entry, rest, site, fault)
        if rest.startswith("+member/"):
            return self._membership(entry, rest.removeprefix("+member/"), site)
        if rest.startswith("+email/"):
            raise _Refusal(401, "(<EmailAddress>, 'email', 'launchpad.LimitedView')")
        raise _Refusal(404, f"Object: <{first}>, name: '{rest}'")

    def _find(self, segment: str) -> Account | Team:
        name = segment.removeprefix("~")
        entry = self.world.team(name) or self.world.account(name)
        gone = isinstance(entry, Account) and (entry.merged or not entry.on_launchpad)
        if entry is None or gone or (isinstance(entry, Team) and entry.private):
            raise _Refusal(404, f"Object: <PersonSet>, name: '{segment}'")
        if isinstance(entry, Account) and entry.status is Status.SUSPENDED:
            raise _Refusal(410, f"'User is suspended: {segment}'")
        return entry

    def _entry(self, request: Request, entry: Account | Team, site: Site) -> Answer:
        tag = etag(entry, site)
        known = request.header("if-none-match").replace('-gzip"', '"')
        if tag in [one.strip() for one in known.split(",")]:
            return Answer(304, headers=(("ETag", tag),))
        return _json(entry_json(entry, site), ("ETag", tag))

    def _people(self, request: Request, what: str, site: Site, fault: Fault | None) -> Answer:
        if what == "+me":
            raise _Refusal(401, "You need to be logged in to view this URL.")
        if what != "people":
            raise _Refusal(404, f"Object: <PersonSet>, name: '{what}'")
        operation = request.query("ws.op")
        if not operation:
            people = [one for one in self.world.accounts() if one.on_launchpad and not one.merged]
            return self._page(request, people, lambda one: entry_json(one, site), site, fault)
        if operation != "getByOpenIDIdentifier" or not site.is_devel:
            raise _Refusal(400, f"No such operation: {operation}")
        identifier = request.query("identifier")
        if not identifier:
            raise _Refusal(400, "identifier: Required input is missing.")
        for prefix in self.identifier_prefixes:
            found = self.world.by_suffix(identifier.removeprefix(prefix))
            if identifier.startswith(prefix) and found and found.on_launchpad:
                return _json(entry_json(found, site))
        return _json("null")

    def _collection(
        self, request: Request, entry: Account | Team, name: str, site: Site, fault: Fault | None
    ) -> Answer:
        def as_membership(item: tuple[Team, Account | Team, Membership]) -> str:
            return membership_json(*item, site)

        if name in ("members_details", "memberships_details"):
            return self._page(request, self._details(entry, name), as_membership, site, fault)
        people = self._people_in(entry, name)
        return self._page(request, people, lambda one: entry_json(one, site), site, fault)

    def _people_in(self, entry: Account | Team, name: str) -> Sequence[Account | Team]:
        by_status = {
            "members": (),
            "admins": (MembershipStatus.ADMINISTRATOR,),
            "proposed_members": (MembershipStatus.PROPOSED,),
            "expired_members": (MembershipStatus.EXPIRED,),
            "deactivated_members": (MembershipStatus.DEACTIVATED,),
        }
        if name == "super_teams":
            return [team for team in self.world.super_teams(entry.name) if not team.private]
        if isinstance(entry, Account):
            return ()
        if name == "participants":
            return self.world.participants(entry.name)
        if name == "sub_teams":
            return [one for one in self.world.participants(entry.name) if isinstance(one, Team)]
        return self.world.members(entry.name, *by_status[name]) if name in by_status else ()

    def _details(self, entry: Account | Team, name: str) -> Sequence[tuple[Team, Account | Team, Membership]]:
        if name == "memberships_details":
            own = self.world.memberships(entry.name)
            return [(team, entry, one) for team, one in own if not team.private]
        if isinstance(entry, Account):
            return ()
        return [(entry, member, one) for member, one in self.world.member_details(entry.name)]

    def _membership(self, team: Account | Team, member: str, site: Site) -> Answer:
        if isinstance(team, Team):
            for entry, membership in self.world.member_details(team.name):
                if entry.name == member:
                    return _json(membership_json(team, entry, membership, site))
        raise _Refusal(404, f"Object: <~{team.name}>, name: '{member}'")

    def _page(
        self,
        request: Request,
        items: Sequence[Any],
        to_json: Callable[[Any], str],
        site: Site,
        fault: Fault | None,
    ) -> Answer:
        if request.query("ws.show") == "total_size":
            return _json(str(len(items)))
        url = f"{self.url.rstrip('/')}{request.path}"
        start, size = _number(request, "ws.start", 0), _number(request, "ws.size", DEFAULT_PAGE)
        if not 0 < size <= LARGEST_PAGE:
            raise _Refusal(400, f"Maximum for ws.size is {LARGEST_PAGE}.")
        type_name = "team_membership" if "_details" in request.path else "person"
        return _json(page_json(Page(url, start, size, type_name), items, to_json, site, fault))

    def _web_page(self, request: Request) -> Answer:
        """A person's page on the web site, which says by OpenID delegation which claimed id is theirs."""
        segment = request.path.strip("/")
        if not segment.startswith("~") or "/" in segment:
            raise _Refusal(404, "Page not found")
        if segment != segment.lower():
            return _moved(f"{self.url}{segment.lower()}", request)
        entry = self._find(segment)
        here = f"{self.url}{segment}"
        suffixes = entry.suffixes if isinstance(entry, Account) else ()
        if suffixes and "application/xrds+xml" in request.header("accept"):
            local_id = f"{self.delegate_prefix}{suffixes[0]}"
            return Answer(200, _XRDS.format(local_id=local_id).encode(), "application/xrds+xml")
        title = markup.escape(entry.display_name)
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return html(200, page, ("X-XRDS-Location", f"{here}/+xrds"))


_XRDS = """<?xml version="1.0" encoding="UTF-8"?>
<xrds:XRDS xmlns:xrds="xri://$xrds" xmlns="xri://$xrd*($v*2.0)"><XRD>
<Service priority="1">
<Type>http://specs.openid.net/auth/2.0/signon</Type>
<URI>https://login.launchpad.net/+openid</URI>
<LocalID>{local_id}</LocalID>
</Service>
</XRD></xrds:XRDS>
"""


def _json(body: str, *headers: tuple[str, str]) -> Answer:
    return Answer(200, body.encode(), "application/json", (("Vary", "Accept,Accept-Encoding"), *headers))


def _moved(url: str, request: Request) -> Answer:
    query = f"?{request.raw_query}" if request.raw_query else ""
    return Answer(301, headers=(("Location", f"{url}{query}"),))


def _number(request: Request, name: str, default: int) -> int:
    value = request.query(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise _Refusal(400, f"{name}: invalid literal for int: {value}")
    return int(value)


def _page_start(request: Request) -> int | None:
    """The first index of a collection's page, or None where the path is no collection."""
    if request.path.rpartition("/")[2] not in COLLECTIONS or not request.path.startswith(
        ("/1.0/~", "/devel/~")
    ):
        return None
    value = request.query("ws.start", "0")
    return int(value) if value.isascii() and value.isdigit() else None
