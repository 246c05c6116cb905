"""The admins' pages, empty, filled, filtered and refused, before a camera."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from devtools.camera import Camera, Stage, register
from devtools.hard_cases import LONGEST_DOMAIN, change_rows
from devtools.pictures_portal import someone
from devtools.stack import Stack

WHO = "(SELECT id FROM person WHERE launchpad_name = '{}')"
WHY = "I have been known under this name on all mailing lists since 2011, and sign my uploads with it."


def boss(camera: Camera) -> None:
    """Come as an admin of the project."""
    if camera.admin:
        camera.come_as(camera.admin)
        return
    camera.admin = someone(camera, "boss")
    register(camera.stack, camera.admin, display_name="青木 涼" if camera.language == "ja" else "Alex Boss")
    camera.come_as(camera.admin)
    camera.stack.waypost("admin", "grant", camera.admin, "--yes")


def empty(camera: Camera) -> None:
    """Before anything happened."""
    boss(camera)
    for path in ("waivers", "held", "freed-names", "failing", "imports", "waiting", "role-addresses", "bulk"):
        camera.state(
            f"admin-{path}-empty", f"{path.replace('-', ' ').capitalize()}: nothing yet", f"/admin/{path}"
        )
    camera.state("admin-look-alikes-empty", "Look-alikes: none", "/admin/names/look-alikes")
    camera.state("admin-people-empty", "People: nobody found", "/admin/people?q=nobody")
    camera.state("admin-audit-empty", "Record: nothing found", "/admin/audit?verb=nothing")


def fill(stack: Stack) -> None:
    """Bring about what waits for admins, by its own doors or as the rows that they would leave."""
    folder = Path(tempfile.mkdtemp(dir=stack.folder))
    (folder / "old.csv").write_text(
        "".join(f"old{n}@ubuntu.com,old{n}@mail.example.org,old{n}\n" for n in range(8))
    )
    stack.waypost("import", "csv", str(folder / "old.csv"), "--yes")
    stack.waypost("admin", "grant-team", "ubuntu-outsiders", "--yes", "--role", "auditor")
    now = int(time.time())
    rosa, wanda = WHO.format("rosa"), WHO.format("wanda")
    notice = (
        "INSERT INTO notice"
        " (kind, person_id, to_sign_in, subject_ids, unique_key, made_at, due_at, failed_with)"
        f" SELECT 'name-taken-over', {rosa}, 0, json_object('person', {rosa}, 'newcomer', {wanda}), 'shown',"
        f" {now}, {now}, '5.7.26'"
    )
    reading = "INSERT INTO team_reading (team, read_at, count, names, held_because) VALUES"
    problem = "INSERT INTO problem (quarter, tried, about, why, at) VALUES"
    alike = "UPDATE alias SET looks_like = 'admin' WHERE local_part = 'rosa'"
    kept = "INSERT INTO reserved_name (local_part) VALUES"
    for sql in (
        f"{reading} ('ubuntumembers', {now}, 1, '[]', 'it lost 5 of 10 members')",
        f"UPDATE account_fact SET held_at = {now} WHERE fact = 'valid' AND person_id IN ({rosa}, {wanda})",
        f"{problem} (1, 'sync-team', 'kubuntu-members', 'Launchpad answered with status 503', {now})",
        f"{problem} (2, 'deliver', '{'x' * 190}', '{'status 503 ' * 15}', {now})",
        notice,
        alike,
        f"{kept} ('cabinet'), ('{'z' * 64}')",
    ):
        change_rows(stack, (sql, ()))


def ask(camera: Camera) -> None:
    """Let somebody with a long name wait for an answer."""
    name = someone(camera, "yumi")
    if camera.language == "en":
        fill(camera.stack)
    display = "山田 幸" if camera.language == "ja" else "Yumi " + "Wolfeschlegelsteinhausenbergerdorff " * 2
    register(camera.stack, name, "ubuntumembers", display_name=display)
    camera.come_as(name)
    camera.claim("ubuntu.com")
    camera.go("/waivers/new?kind=local-part&domain=ubuntu.com")
    camera.fill(local_part=f"{name}.{'y' * 50}", reason=WHY)
    camera.press("/waivers")


def queue(camera: Camera) -> None:
    """What waits, and the pages on it."""
    ask(camera)
    boss(camera)
    camera.shoot("admin", "What waits", "/admin")
    camera.shoot("admin-waivers", "Waivers", "/admin/waivers?state=all", hard=True)
    camera.go(f"/admin/waivers?q={someone(camera, 'yumi')}")
    camera.page.locator("#found tbody a").first.click()
    camera.page.wait_for_url("**/admin/waivers/*")
    camera.shoot("admin-waiver", "A request: all that is needed to decide", hard=True)
    camera.fill(refuse_answer=" ")
    camera.refused("/refuse")
    camera.state("admin-waiver-refused", "Refused without a reason")
    camera.press("/grant")
    camera.state("admin-waiver-granted", "Granted")
    for name, title in {
        "held": "Held readings",
        "freed-names": "Names that changed hands",
        "jobs": "Jobs and problems",
        "failing": "Mailboxes that refuse mail",
    }.items():
        camera.shoot(f"admin-{name}", title, f"/admin/{name}", hard=name == "jobs")


def people(camera: Camera) -> None:
    """People, one of them, what is done with many."""
    boss(camera)
    camera.shoot("admin-people", "People", "/admin/people", hard=True)
    camera.go(f"/admin/people?q={someone(camera, 'yumi')}")
    camera.page.locator("#found tbody a").first.click()
    camera.page.wait_for_url("**/admin/people/*")
    camera.shoot("admin-person", "A person", hard=True)
    camera.press("/end")
    camera.refused("/release")
    camera.state("admin-person-release", "To release a name, the address is typed", hard=True)
    move = camera.page.locator("a[href$='/move']").first.get_attribute("href") or ""
    camera.shoot("admin-move", "Move an address", move)
    camera.go(f"{move}?to={someone(camera, 'wanda')}")
    camera.fill(confirm="no")
    camera.refused("/move")
    camera.state("admin-move-refused", "Typed wrong, so not moved")
    camera.shoot("admin-bulk", "Many people at once", "/admin/bulk")
    camera.fill(names="nosuchname")
    camera.refused("/bulk")
    camera.state("admin-bulk-refused", "A name that nobody has")
    camera.fill(names="rosa\nwanda\nbruno")
    camera.press("/bulk")
    camera.page.locator("form[action$='/start']").wait_for()
    camera.shoot("admin-bulk-run", "A dry run")
    here = camera.path()
    unfinish = "UPDATE bulk_run SET finished_at = {} WHERE id = " + here.rpartition("/")[2]
    change_rows(camera.stack, (unfinish.format("NULL"), ()))
    camera.state("admin-bulk-running", "A run that goes on", here)
    change_rows(camera.stack, (unfinish.format(int(time.time())), ()))


def names(camera: Camera) -> None:
    """Reserved names, look-alikes, role addresses, imported addresses."""
    boss(camera)
    camera.shoot("admin-names", "Reserved names", "/admin/names", hard=True)
    camera.fill(name="root")
    camera.refused("/names")
    camera.state("admin-names-refused", "A name that is kept already")
    camera.shoot("admin-look-alikes", "Look-alikes", "/admin/names/look-alikes")
    camera.go("/admin/role-addresses")
    camera.fill(name=someone(camera, "security"), owners="nosuchname")
    camera.refused("/role-addresses")
    camera.state("admin-role-addresses-refused", "A role address for nobody")
    camera.fill(owners="rosa\nwanda")
    camera.page.locator("#on").select_option("ubuntu.com")
    camera.press("/role-addresses")
    camera.page.wait_for_url("**/role-addresses/*")
    camera.shoot("admin-role-address", "A role address and who stands behind it", hard=True)
    camera.fill(confirm="no")
    camera.refused("/end")
    camera.state("admin-role-address-refused", "Typed wrong, so not ended")
    camera.shoot("admin-role-addresses", "Role addresses", "/admin/role-addresses")
    camera.shoot("admin-waiting", "Imported addresses that wait for their owner", "/admin/waiting")
    camera.page.locator("#found tbody a").first.click()
    camera.page.wait_for_url("**/admin/waiting/*")
    camera.shoot("admin-kept-address", "One of them")


def imports(camera: Camera) -> None:
    """A list of old addresses, from its file to its addresses."""
    boss(camera)
    camera.go("/admin/imports")
    one = someone(camera, "import")
    lines = [
        f"{one}@ubuntu.com,{one}@home.example.net,rosa",
        f"{one}.b@ubuntu.com,x@ubuntu.com,rosa",
        "nonsense",
    ]
    file = {"name": "old.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    camera.page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
    camera.press("/imports")
    camera.page.locator("form[action$='/approve']").wait_for()
    camera.shoot("admin-import-run", "A list: what becomes of each line", hard=True)
    state = "UPDATE import_run SET state = '{}', done = 1 WHERE id = " + camera.path().rpartition("/")[2]
    change_rows(camera.stack, (state.format("running"), ()))
    camera.state("admin-import-running", "A list that is being brought in", camera.path())
    change_rows(camera.stack, (state.format("checked"), ()))
    camera.shoot("admin-imports", "Lists", "/admin/imports")


def domains(camera: Camera) -> None:
    """Domains, their proof, rules and DNS."""
    boss(camera)
    camera.shoot("admin-domains", "Domains", "/admin/domains", hard=True)
    camera.shoot("admin-domain-new", "Add a domain", "/admin/domains/new")
    camera.fill(name="co.uk", teams="ubuntumembers\nno-such-team")
    camera.page.locator("button[value=look]").click()
    camera.page.locator("#team-looks li").first.wait_for()
    camera.page.locator("button[value=save]").click()
    camera.page.get_by_role("alert").wait_for()
    camera.state("admin-domain-refused", "A domain that cannot be", hard=True)
    camera.fill(name=f"{someone(camera, 'new')}.example.org", teams="ubuntumembers")
    with camera.page.expect_navigation():
        camera.page.locator("button[value=save]").click()
    camera.shoot("admin-domain", "A domain that is not proven yet", hard=True)
    here = camera.path()
    camera.press("/check")
    camera.state("admin-domain-checked", "Looked for its record")
    camera.fill(typed_name="no")
    camera.refused("/remove")
    camera.state("admin-domain-not-removed", "Typed wrong, so not removed")
    camera.press("/link")
    link = camera.page.locator("#dns-link").inner_text()
    camera.shoot("admin-domain-rules", "Its rules", f"{here}/rules")
    camera.go(f"{here}/dns")
    camera.page.locator("#dns [role=status]").wait_for()
    camera.shoot("admin-dns", "Its DNS records, expected beside found", hard=True)
    camera.leave()
    camera.go(link.removeprefix(camera.stack.portal_url))
    camera.page.locator("#dns [role=status]").wait_for()
    camera.state("dns-link", "The same for its DNS operator, without sign-in")


def record(camera: Camera) -> None:
    """Roles, the record, the lookup, the first admin."""
    boss(camera)
    camera.shoot("admin-lookup", "Address lookup", "/admin/lookup")
    camera.state(
        "admin-lookup-found", "Its answer", "/admin/lookup?address=rosa%2Blist@ubuntu.com", hard=True
    )
    camera.state("admin-lookup-none", "Nobody has it", "/admin/lookup?address=nobody@ubuntu.com")
    camera.state("admin-lookup-refused", "Not an address", "/admin/lookup?address=nonsense")
    camera.shoot("admin-roles", "Roles", "/admin/roles")
    camera.state("admin-roles-give", "Give a role", "/admin/roles?who=wanda")
    camera.state("admin-roles-nobody", "Give a role to nobody", "/admin/roles?who=nobody")
    camera.shoot("admin-audit", "Record", "/admin/audit", hard=True)
    camera.page.locator("#found tbody a").first.click()
    camera.page.wait_for_url("**/admin/audit/*")
    camera.press("/values")
    camera.shoot("admin-audit-entry", "An entry, with what was personal in it")
    link = re.findall(r"https?://\S+", camera.stack.waypost("init", "--link"))[-1]
    camera.shoot("admin-first", "The first admin's link", link.removeprefix(camera.stack.portal_url))
    camera.state(
        "admin-first-refused", "That link, used or old", f"{link.removeprefix(camera.stack.portal_url)}x"
    )


def many(camera: Camera) -> None:
    """The admins' pages with forty domains, of which one has 253 octets."""
    boss(camera)
    camera.state("admin-domains-forty", "Domains: forty", "/admin/domains", hard=True)
    camera.page.get_by_role("link", name=re.compile("d{61}")).first.click()
    camera.page.wait_for_url("**/admin/domains/*")
    camera.state("admin-domain-longest", "A domain of 253 octets", hard=True)
    camera.state("admin-dns-longest", "Its DNS records", f"{camera.path()}/dns", hard=True)
    camera.state("admin-people-longest", "People with the longest names", "/admin/people?q=wolfe", hard=True)
    camera.page.locator("#found tbody a").first.click()
    camera.page.wait_for_url("**/admin/people/*")
    camera.state("admin-person-longest", "A person with the longest addresses", hard=True)
    camera.state(
        "admin-lookup-longest",
        "Look up the longest",
        f"/admin/lookup?address=wolfe@{LONGEST_DOMAIN}",
        hard=True,
    )


ADMIN_FIRST: tuple[tuple[str, Stage], ...] = (("Admins: nothing yet", empty),)
ADMIN_STAGES: tuple[tuple[str, Stage], ...] = (
    ("Admins: what waits", queue),
    ("Admins: people", people),
    ("Admins: names", names),
    ("Admins: import", imports),
    ("Admins: domains", domains),
    ("Admins: roles and record", record),
)
