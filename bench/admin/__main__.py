"""`script/bench admin [--quick] [--json FILE]`: how long each of the admins' pages takes at 2 clients.

Over 100,000 people, 1,000,000 addresses and as many entries in the record, on SQLite and PostgreSQL, served
by two gunicorn processes. Exits with 1 when a page's p95 is 100 ms or more.
"""

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.admin.population import fill_for_admins
from bench.lookups import postgres
from bench.portal.load import Measured, ask
from bench.portal.population import ALIASES_EACH, fill, sign_in
from bench.portal.servers import PORTAL, server, settings_for
from bench.relay.processes import machine
from core.database import connection
from core.settings import Settings

CLIENTS, DOMAINS = 2, 6
MOST_MS = 100.0
MOST_LOOKUPS = 50  # an admin may look up one address a second
PAGES = (
    "/admin",
    "/admin/waivers",
    "/admin/waivers?state=all&sort=newest",
    "/admin/waivers?q=person17&domain=domain1.example&kind=domain&state=all",
    "/admin/waivers/1",
    "/admin/domains",
    "/admin/domains/new",
    "/admin/domains/1",
    "/admin/domains/1/rules",
    "/admin/domains/1/dns",
    "/admin/domains/1/zone",
    "/admin/people",
    "/admin/people?after={middle}&sort=newest",
    "/admin/people?q=person17",
    "/admin/people?q=person17@domain1.example",
    "/admin/people?q=person1700@home&sort=newest",
    "/admin/people?q=nobody",
    "/admin/people?state=banned",
    "/admin/people?state=held",
    "/admin/people?domain=domain1.example",
    "/admin/people?domain=domain1.example&q=person17",
    "/admin/people/{middle}",
    "/admin/addresses/{middle}/move?to=person18",
    "/admin/failing",
    "/admin/failing?after={middle}",
    "/admin/bulk",
    "/admin/bulk/1",
    "/admin/names",
    "/admin/names/look-alikes",
    "/admin/role-addresses",
    "/admin/role-addresses/{role}",
    "/admin/held",
    "/admin/freed-names",
    "/admin/freed-names?after={middle}",
    "/admin/lookup?address=person17%2Blist@domain1.example",
    "/admin/imports",
    "/admin/imports/1",
    "/admin/imports/1?fate=bad-address",
    "/admin/waiting",
    "/admin/waiting?state=unclear",
    "/admin/waiting?q=kept17",
    "/admin/waiting/{kept}",
    "/admin/jobs",
    "/admin/jobs?after={middle}",
    "/admin/roles",
    "/admin/roles?who=person17",
    "/admin/audit",
    "/admin/audit?after={middle}",
    "/admin/audit?sort=oldest",
    "/admin/audit?verb=alias-released",
    "/admin/audit?verb=recipient-added",
    "/admin/audit?actor=person:17",
    "/admin/audit?subject=person&number=17",
    "/admin/audit/{middle}",
)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="script/bench admin", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the people, SQLite only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    people, seconds = (10_000, 0.5) if options.quick else (100_000, 2.0)
    print(f"{machine()}\n\n{people:,} people, {people * ALIASES_EACH:,} addresses and entries in the record")
    numbers: dict[str, Any] = {"machine": machine(), "people": people, "aliases": people * ALIASES_EACH}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypost-bench-")))
        urls = {"SQLite": f"sqlite:///{folder}/admin.db"}
        if not options.quick:
            urls["PostgreSQL"] = stack.enter_context(postgres()).create("admin")
        found = {name: pages(settings_for(url, folder), people, seconds) for name, url in urls.items()}
    print(f"\n| p50 / p95 in ms at {CLIENTS} clients | {' | '.join(found)} |\n|---|{'--:|' * len(found)}")
    for page in found["SQLite"]:
        times = [f"{one[page].p50:.1f} / {one[page].p95:.1f}" for one in found.values()]
        print(f"| `{page}` | {' | '.join(times)} |")
    numbers["pages"] = {
        name: {page: asdict(measured) for page, measured in one.items()} for name, one in found.items()
    }
    numbers["missed"] = [
        f"{name}, {page}: p95 {measured.p95:.0f} ms, wanted under {MOST_MS:.0f}"
        for name, one in found.items()
        for page, measured in one.items()
        if measured.p95 >= MOST_MS
    ]
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")
    print("\n" + ("\n".join(f"MISSED: {one}" for one in numbers["missed"]) or "all targets are kept"))
    sys.exit(1 if numbers["missed"] else 0)


def pages(settings: Settings, people: int, seconds: float) -> dict[str, Measured]:
    """Measure each page over one database."""
    fill(settings, people, DOMAINS)
    fill_for_admins(settings, people)
    cookie = f"Cookie: {sign_in(settings, people, 1, freshly=True)[0].cookie}"
    aliases = people * ALIASES_EACH
    rows = {"middle": people // 2, "kept": 2 * aliases + 17, "role": 4 * aliases + 7}
    with connection(), server(PORTAL, settings) as port:  # somebody has the database open, as the relay does
        found = {}
        for page in (page.format(**rows) for page in PAGES):
            most = MOST_LOOKUPS if page.startswith("/admin/lookup") else None
            ask(port, [cookie], CLIENTS, 0.3, page, most and 4)  # what is only slow the first time
            found[page] = ask(port, [cookie], CLIENTS, seconds, page, most, strangers=True)
        return found


if __name__ == "__main__":
    main()
