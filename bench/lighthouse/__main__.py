"""`script/bench lighthouse [--quick] [--json FILE]`: how Lighthouse judges the portal on a slow phone.

The whole product runs in its pretend world; somebody signs in, claims an address, and Lighthouse gets
their cookie. Each page is judged several times, and the median counts. Exits with 1 when a score is under
95. `script/bench` installs Lighthouse from the lock file beside this module.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.relay.processes import machine
from devtools.camera import CHROMIUM, FLAGS, sign_in
from devtools.stack import Stack

PROGRAM = Path(__file__).parent / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = ("performance", "accessibility", "best-practices")
LEAST = 95
TRIES = 3
"""Chromium's trace lacks its beginning now and then (NO_NAVSTART): Lighthouse judges nothing then."""


def main() -> None:
    """Judge the pages, print, judge the judgement."""
    parser = argparse.ArgumentParser(prog="script/bench lighthouse", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each page once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is stopped
    with Stack() as stack:
        cookie, address = member(stack)
        pages = {"front page": ("/", ""), "home": ("/home", cookie), "address page": (address, cookie)}
        pages |= {"waivers": ("/waivers", cookie), "my data": ("/account", cookie)}
        pages |= {"domain": ("/d/ubuntu.com", ""), "help": ("/help", ""), "privacy": ("/privacy", "")}
        numbers = {
            name: judge(stack.portal_url + path, who, 1 if options.quick else 3)
            for name, (path, who) in pages.items()
        }
    print(f"{machine()}\n")
    for name, found in numbers.items():
        print(f"{name}: " + ", ".join(f"{what} {found[what]:.0f}" for what in CATEGORIES))
        print("".join(f"  not perfect: {audit}\n" for audit in found["audits"]), end="")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **numbers}, indent=1) + "\n")
    missed = [
        f"{name}: {what} {found[what]:.0f}"
        for name, found in numbers.items()
        for what in CATEGORIES
        if found[what] < LEAST
    ]
    print("\n".join(f"MISSED: {one}, wanted {LEAST} at least" for one in missed) or "all targets are kept")
    sys.exit(1 if missed else 0)


def member(stack: Stack) -> tuple[str, str]:
    """Sign a member of all teams in and claim an address; return the Cookie header and the page's path."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        sign_in(page, stack.portal_url, "kaia")
        page.get_by_role("button", name="Claim kaia@ubuntu.com").click()
        link = page.get_by_role("link", name="kaia@ubuntu.com")
        link.wait_for()
        path = link.get_attribute("href") or ""
        cookies = page.context.cookies(stack.portal_url)
        browser.close()
    return "; ".join(f"{one['name']}={one['value']}" for one in cookies), path


def judge(url: str, cookie: str, times: int) -> dict[str, Any]:
    """Return the median score of each category (0 to 100), and the audits that were not perfect."""
    runs = [run(url, cookie) for _ in range(times)]
    last = runs[-1]
    final = last["finalDisplayedUrl"]
    if final != url:
        raise SystemExit(f"Lighthouse was led from {url} to {final}")
    audits = [
        f"{name} ({audit['score']})"
        for name, audit in last["audits"].items()
        if audit["score"] is not None and audit["score"] < 0.9
    ]
    scores = {
        what: statistics.median(100 * one["categories"][what]["score"] for one in runs) for what in CATEGORIES
    }
    return {**scores, "audits": audits}


def run(url: str, cookie: str) -> dict[str, Any]:
    """Run Lighthouse once, with its defaults: a phone of the middle class on slow 4G."""
    with tempfile.TemporaryDirectory(prefix="waypost-lighthouse-") as folder:
        report, headers = Path(folder) / "report.json", Path(folder) / "headers.json"
        headers.write_text(json.dumps({"Cookie": cookie} if cookie else {}))
        command = ["node", str(PROGRAM), url, "--quiet", "--output=json", f"--output-path={report}"]
        command += [f"--extra-headers={headers}", f"--only-categories={','.join(CATEGORIES)}"]
        command += [f"--chrome-flags=--headless=new {' '.join(FLAGS)}", "--no-enable-error-reporting"]
        environment = {**os.environ, "CHROME_PATH": CHROMIUM}
        for tries_left in reversed(range(TRIES)):
            if not subprocess.run(command, check=not tries_left, env=environment, timeout=180).returncode:
                break
        found: dict[str, Any] = json.loads(report.read_text())
    return found


if __name__ == "__main__":
    main()
