"""`script/demo`: the product in its pretend world, to try by hand; `--check` does the main job by itself."""

from __future__ import annotations

import argparse
import re
import signal
import smtplib
import sys
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage

from devtools.stack import Stack, StackProblem
from devtools.visitor import PageProblem, Visitor

PATIENCE = 20.0  # seconds that a mail may take before the check gives up


def main() -> None:
    """Run the demo until Ctrl-C, or the check; exits with its result."""
    parser = argparse.ArgumentParser(prog="script/demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="do the main job over HTTP and SMTP, then stop")
    parser.add_argument("--port", type=int, default=0, help="the portal's port (a free one when not given)")
    parser.add_argument("--roster", action="store_true", help="a roster file and OIDC instead of Launchpad")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Stack(portal_port=options.port, roster=options.roster) as stack:
            if options.check:
                sys.exit(0 if Check(stack).run() else 1)
            print(welcome(stack), flush=True)
            threading.Event().wait()
    except StackProblem as problem:
        sys.exit(f"The demo could not start. {problem}")
    except KeyboardInterrupt:
        print("\nStopped.")


def welcome(stack: Stack) -> str:
    """Say where everything is and what to try."""
    return f"""
Waypost is running on this machine, in a pretend world of people, sign-in, DNS and mailboxes.

  Portal         {stack.portal_url}
  Mail catcher   {stack.world["catcher_url"]}     every mail of the demo arrives here
  Relay (SMTP)   127.0.0.1:{stack.relay_port}

Open the portal, press “Log in with {stack.provider_name}”, choose a person (ada is a good first one) and
claim an address. Then send mail to it:

  script/send --to ada@ubuntu.com --port {stack.relay_port}

Ctrl-C stops everything and removes what it made.
"""


def send(port: int, to: str, subject: str, sender: str = "friend@elsewhere.example") -> None:
    """Send one mail over SMTP to the relay; raises smtplib.SMTPException when it is refused."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = f"<{time.time_ns()}@elsewhere.example>"
    message.set_content("Hello from the demo.\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as relay:
        relay.send_message(message, sender, [to])


class Check:
    """The main job from end to end, step by step, against the started processes."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.visitor = Visitor()
        self._link = ""

    def run(self) -> bool:
        """Do the steps; print each with its time. Returns whether all went well."""
        begin = time.monotonic()
        for words, step in self._steps():
            start = time.monotonic()
            try:
                step()
            except (PageProblem, smtplib.SMTPException, OSError) as problem:
                print(f"FAILED  {words}: {problem}")
                return False
            print(f"{time.monotonic() - start:6.2f} s  {words}", flush=True)
        print(f"{time.monotonic() - begin:6.2f} s  the main job works from end to end")
        return True

    def _steps(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            ("an unknown address is refused with 550 5.1.1", self._refused_before),
            (f"sign in with {self.stack.provider_name}", self._sign_in),
            ("see a row for each of the six domains, and why", self._see_rows),
            ("claim ada@ubuntu.com in one press", self._claim),
            ("the admins are told about the new address", self._admins_told),
            ("mail to it arrives at the first mailbox", lambda: self._mail_arrives("ada@home.example.net")),
            ("add a second mailbox", self._add),
            ("its verification mail arrives", self._proof_arrives),
            ("follow the link and confirm", self._confirm),
            ("mail arrives at the second mailbox", lambda: self._mail_arrives("ada.second@mail.example.org")),
            ("sign out", lambda: self.visitor.open(f"{self.stack.portal_url}/home").press("Sign out")),
        ]

    def _refused_before(self) -> None:
        try:
            send(self.stack.relay_port, "ada@ubuntu.com", "too early")
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = refused.recipients["ada@ubuntu.com"]
            if code == 550 and text.startswith(b"5.1.1"):
                return
            raise PageProblem(f"refused with {code} {text!r}") from None
        raise PageProblem("the relay took mail for an address that nobody has")

    def _sign_in(self) -> None:
        self.visitor.open(self.stack.portal_url).press(f"Log in with {self.stack.provider_name}")
        self.visitor.press("ada", person="ada").expect("Your addresses")

    def _see_rows(self) -> None:
        for domain in (
            "ubuntu.com",
            "kubuntu.org",
            "lubuntu.me",
            "edubuntu.org",
            "ubuntustudio.com",
            "ubuntu.net",
        ):
            self.visitor.expect(domain)
        self.visitor.expect("as a member of ubuntumembers").expect("You are not a member of lubuntu-members")

    def _claim(self) -> None:
        self.visitor.press("Claim ada@ubuntu.com").expect("ada@ubuntu.com works")

    def _admins_told(self) -> None:
        self._wait_for_mail("ops@home.example.net", "New @ubuntu.com email address created")

    def _mail_arrives(self, mailbox: str) -> None:
        subject = f"for {mailbox} at {time.time_ns()}"
        send(self.stack.relay_port, "ada@ubuntu.com", subject)
        self._wait_for_mail(mailbox, subject)

    def _add(self) -> None:
        found = re.search(r'href="(/addresses/\d+)"', self.visitor.html)
        if found is None:
            raise PageProblem("no link to the address page")
        self.visitor.open(self.stack.portal_url + found[1])
        self.visitor.press("Another mailbox", recipient="ada.second@mail.example.org")
        self.visitor.expect("Open the link in the mail we sent there")

    def _proof_arrives(self) -> None:
        mail = self._wait_for_mail("ada.second@mail.example.org", "Confirm that mail")
        found = re.search(re.escape(self.stack.portal_url) + r"/recipients/verify/\S+", mail)
        if found is None:
            raise PageProblem("the verification mail has no link")
        self._link = found[0]

    def _confirm(self) -> None:
        self.visitor.open(self._link).expect("Confirm a mailbox").press("Yes, this mailbox is mine")
        self.visitor.expect("Your addresses")

    def _wait_for_mail(self, to: str, subject: str) -> str:
        """Wait until the catcher has a mail to this address with these words in its subject."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for summary in self.stack.mail(to):
                if subject in summary["subject"]:
                    return self.stack.mail_text(summary)
            time.sleep(0.05)
        raise PageProblem(f"no mail “{subject}” came to {to} within {PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
