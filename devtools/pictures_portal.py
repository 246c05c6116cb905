"""The contributor's pages and the public ones, in each of their states, before a camera."""

from __future__ import annotations

import time

import httpx

from devtools.camera import Camera, Stage, register
from devtools.hard_cases import LONGEST_DOMAIN, add_domains, change_rows, lengthen

DAY = 86_400
MANY = 60
"""So often something is tried that must happen before."""
ALIAS = "UPDATE alias SET {} WHERE local_part = ? AND person_id IS NOT NULL"
MINE = "(SELECT id FROM recipient WHERE address = ?)"


def someone(camera: Camera, what: str) -> str:
    """A name for a person who shows one thing, other in each language."""
    return f"{what}{'-ja' if camera.language == 'ja' else ''}"


def public(camera: Camera) -> None:
    """What anybody sees."""
    camera.leave()
    camera.shoot("front", "Front page", "/", hard=True)
    camera.shoot("domain", "A domain's own page", "/d/kubuntu.org")
    camera.shoot("help", "Help", "/help")
    camera.shoot("help-answer", "One of its answers", "/help/spam")
    camera.shoot("privacy", "Privacy", "/privacy")
    camera.shoot("sign-in", "Sign-in", "/home")


def errors(camera: Camera) -> None:
    """Pages that say that something is not possible, and what to do next."""
    camera.leave()
    camera.shoot("error-not-found", "No such page", "/nowhere", hard=True)
    camera.state("error-start-again", "A sign-in that was not begun here", "/login/ubuntu-one?state=x")
    camera.go("/")
    camera.page.locator("form[action='/login'] button").click()
    camera.page.locator("button[name=person][value='chidi']").click()
    camera.page.wait_for_load_state("load")
    camera.state("error-suspended", "A suspended account")
    camera.come_as("bruno")
    camera.state("error-forbidden", "A page for admins only", "/admin")
    camera.state("verify-refused", "A link of a mail that does not work", "/recipients/verify/broken")
    register(camera.stack, name := someone(camera, "otto"))
    camera.come_as(name)
    for _ in range(MANY):
        camera.press("/home/check")
        if camera.page.locator("#rows").count() == 0:
            break
    camera.state("error-too-often", "Asked too often")


def home(camera: Camera) -> None:
    """The home page as different people have it."""
    for person, title in {
        "bruno": "The Code of Conduct is not signed",
        "emre": "A membership that ran out",
        "fay+lab": "A name that cannot be an address",
        "mina": "No Launchpad account",
        "kaia": "Entitled everywhere, nothing claimed",
    }.items():
        camera.come_as(person)
        camera.state(f"home-{person.partition('+')[0]}", title, hard=person == "bruno")
    control = f"{camera.stack.world['launchpad_url']}_control"
    httpx.post(control, json={"fault": {"kind": "bad-json"}}, timeout=10).raise_for_status()
    register(camera.stack, name := someone(camera, "olga"), "ubuntumembers")
    camera.come_as(name)
    camera.state("home-launchpad-down", "Launchpad does not answer")
    httpx.post(control, json={"clear": True}, timeout=10).raise_for_status()
    register(camera.stack, name := someone(camera, "vera"), "ubuntumembers", email_verified=False)
    camera.come_as(name)
    camera.page.locator("article[data-domain='ubuntu.com'] input[type=email]").fill("me@ubuntu.com")
    camera.refused("/domains/ubuntu.com/claim")
    camera.state("home-mailbox-refused", "A mailbox is asked for; the one typed is refused", hard=True)


def rosa(camera: Camera) -> str:
    """Somebody with several addresses; returns the name."""
    name = someone(camera, "rosa")
    display = "木村 花" if camera.language == "ja" else "Rosa Winter"
    teams = ("ubuntumembers", "kubuntu-members", "lubuntu-members")
    register(camera.stack, name, *teams, display_name=display)
    return name


def address(camera: Camera) -> None:
    """An address from its claim to its end."""
    name = rosa(camera)
    camera.come_as(name)
    camera.shoot("home-to-claim", "Home: an address to claim")
    here = camera.claim("ubuntu.com")
    camera.claim("kubuntu.org")
    camera.go(here)
    camera.shoot("address", "An address with one mailbox", hard=True)
    camera.fill(new_recipient="not an address")
    camera.refused("/recipients")
    camera.state("address-refused", "A mailbox that cannot be")
    for mailbox in (f"{name}.second@mail.example.org", f"{name}@{'very-long-label.' * 8}example.org"):
        camera.fill(new_recipient=mailbox)
        camera.press("/recipients")
    camera.page.locator("summary").first.click()
    camera.shoot("address-mailboxes", "Three mailboxes, one about to be changed", hard=True)
    camera.press("/test")
    camera.page.locator("#test-steps form button").wait_for()
    camera.state("address-tested", "After a test mail")
    address_states(camera, name, here)
    camera.go(here)
    camera.fill(confirm="no")
    camera.refused("/give-up")
    camera.state("address-not-given-up", "Typed wrong, so not given up")


def address_states(camera: Camera, name: str, here: str) -> None:
    """The states that time and others bring about, on the address's page and at home."""
    now, mailbox, today = (
        int(time.time()),
        f"{name}@home.example.net",
        time.strftime("%Y-%m-%d", time.gmtime()),
    )
    counted = "INSERT INTO delivery_count (recipient_id, day, event, enhanced, count)"
    change_rows(
        camera.stack,
        (f"UPDATE recipient SET failing_since = ?, failing_with = '5.2.2' WHERE id = {MINE}", (now, mailbox)),
        (f"{counted} VALUES ({MINE}, ?, 'refused-message', '5.7.1', 7)", (mailbox, today)),
        (ALIAS.format("label = ?"), ("Mailing lists and everything else " * 2, name)),
    )
    camera.state("address-failing", "A mailbox that refuses mail, and a label of 68 letters", here, hard=True)
    camera.shoot("home", "Home: addresses that work, one with a mailbox that refuses", "/home", hard=True)
    for state, (title, change) in {
        "off": ("Switched off", f"switch = 'off-later', switched_at = {now}"),
        "held": ("Suspended by an admin", "switch = 'on', hold = 'admin'"),
        "grace": (
            "In its grace time",
            f"hold = 'none', entitlement = 'grace', grace_until = {now + 10 * DAY}",
        ),
        "ended": ("After its grace time", "entitlement = 'ended', grace_until = NULL"),
    }.items():
        change_rows(camera.stack, (ALIAS.format(change), (name,)))
        camera.state(f"address-{state}", title, here)
        camera.state(f"home-{state}", f"Home: {title[0].lower()}{title[1:]}", "/home")
    change_rows(camera.stack, (ALIAS.format("entitlement = 'entitled'"), (name,)))


def mailbox(camera: Camera) -> None:
    """The link of a mail that asks whether a mailbox is somebody's."""
    camera.come_as(someone(camera, "rosa"))
    to = f"{someone(camera, 'rosa')}.second@mail.example.org"
    text = camera.stack.mail_text(camera.stack.mail(to)[0])
    link = next(line for line in text.splitlines() if "/recipients/verify/" in line).strip()
    camera.shoot("verify", "Confirm a mailbox", link.removeprefix(camera.stack.portal_url))


def account(camera: Camera) -> None:
    """What is kept of a person, and what becomes of it."""
    camera.come_as(someone(camera, "rosa"))
    camera.shoot("account", "My data", "/account", hard=True)
    camera.shoot("account-delete", "Delete the account", "/account/delete")
    camera.fill(confirm="no")
    camera.refused("/account/delete")
    camera.state("account-delete-refused", "Typed wrong, so not deleted")
    change_rows(camera.stack, ("UPDATE session SET authenticated_at = ?", (int(time.time()) - 7200,)))
    camera.go("/home")
    camera.page.locator("article a[href^='/addresses/']").first.click()
    camera.page.wait_for_url("**/addresses/*")
    camera.press("/remove")
    camera.page.wait_for_url("**/login/again**")
    camera.shoot("again", "A fresh sign-in is asked for")


def imported(camera: Camera) -> None:
    """An address of an old system that is kept for its owner, and the proof that it is theirs."""
    register(camera.stack, name := someone(camera, "nova"), "ubuntumembers")
    file = camera.stack.folder / f"{name}.csv"
    file.write_text(f"{name}@ubuntu.com,{name}@mail.example.org,{name}\n")
    camera.stack.waypost("import", "csv", str(file), "--yes")
    camera.come_as(name)
    offer = camera.page.locator("a[href^='/kept/']")
    for _ in range(MANY):
        camera.go("/home")
        if offer.count():
            break
        time.sleep(0.5)
    camera.state("home-kept", "Home: an address is kept for them")
    offer.click()
    camera.page.wait_for_url("**/kept/*")
    camera.shoot("kept", "Prove that it is yours")
    camera.press("/code")
    camera.fill(code="00000000")
    camera.refused("/enter")
    camera.state("kept-refused", "A code that is not the one of the mail")


def shared(camera: Camera) -> None:
    """An address that several people look after, as one of them has it."""
    camera.come_as("rosa")
    camera.page.locator("a[href^='/role-addresses/']").first.click()
    camera.page.wait_for_url("**/role-addresses/*")
    camera.shoot("role-address", "An address that several people look after")
    camera.fill(recipient="not an address")
    camera.refused("/recipients")
    camera.state("role-address-refused", "A mailbox that cannot be")


def waivers(camera: Camera) -> None:
    """Exceptions: asked for, granted, refused."""
    register(camera.stack, name := someone(camera, "wanda"), "ubuntumembers", display_name="Wanda Vega")
    camera.come_as(name)
    camera.state("waivers-none", "No request yet", "/waivers")
    for kind, title in {
        "local-part": "Ask for another name",
        "domain": "Ask for a domain without membership",
        "grace": "Ask for more time",
    }.items():
        camera.state(f"waiver-{kind}", title, f"/waivers/new?kind={kind}&domain=ubuntu.com")
    camera.go("/waivers/new?kind=local-part&domain=ubuntu.com")
    why = "I have been known under this name on all mailing lists since 2011."
    camera.fill(local_part="root", reason=why)
    camera.refused("/waivers")
    camera.state("waiver-refused", "A name that is kept for the project")
    camera.go("/waivers/new?kind=local-part&domain=ubuntu.com")
    camera.fill(local_part=f"{name}.{'v' * 50}", reason=why)
    camera.press("/waivers")
    for domain in ("kubuntu.org", "lubuntu.me"):
        camera.go(f"/waivers/new?kind=domain&domain={domain}")
        camera.fill(reason="I look after its web site, and write to translators from there.")
        camera.press("/waivers")
    rows = [line.split("\t") for line in camera.stack.waypost("waiver", "list").splitlines()]
    first, second, *_ = [row[0] for row in rows if name in row]
    camera.stack.waypost("waiver", "grant", first, "--yes", "--answer", "With pleasure.")
    camera.stack.waypost("waiver", "refuse", second, "Please join the team first; then it is yours.")
    camera.shoot("waivers", "Requests and their answers", "/waivers", hard=True)


def extremes(camera: Camera) -> None:
    """Forty domains, a local part of 64 octets, a domain of 253, five mailboxes, none."""
    if camera.language == "en":  # the first of the cameras
        add_domains(camera.stack)
    name = someone(camera, "wolfe")
    register(camera.stack, name, "ubuntumembers", display_name="Wolfeschlegelsteinhausenbergerdorff " * 3)
    camera.come_as(name)
    longest_name, longest_domain = camera.claim("ubuntu.com"), camera.claim(LONGEST_DOMAIN)
    camera.go(longest_name)
    for number in range(4):
        camera.fill(new_recipient=f"{name}.number{number}@mail.example.org")
        camera.press("/recipients")
    lengthen(camera.stack, name)
    camera.state("address-longest-name", "A local part of 64 octets, five mailboxes", longest_name, hard=True)
    camera.state("address-longest-domain", "A domain of 253 octets", longest_domain, hard=True)
    camera.shoot("home-forty", "Home: forty domains", "/home", hard=True)
    camera.leave()
    camera.state("front-forty", "Front page: forty domains", "/", hard=True)
    camera.state("domain-longest", "The page of a domain of 253 octets", f"/d/{LONGEST_DOMAIN}", hard=True)


PORTAL_STAGES: tuple[tuple[str, Stage], ...] = (
    ("For everybody", public),
    ("Errors", errors),
    ("Home", home),
    ("An address", address),
    ("A mailbox", mailbox),
    ("My data", account),
    ("Waivers", waivers),
    ("An imported address", imported),
)
