"""From nothing to the first admin: `waypost init`, the portal with that file alone, sign-in, the link."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import runtime
from core.audit import first_fault
from core.database import database
from core.models import AuditEntry, RoleGrant
from core.settings import FILE_VARIABLE, Settings
from devtools.accounts import Account
from devtools.servers import PretendServers
from devtools.stack import free_port
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Client

Init = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "waypost.env"


@pytest.fixture
def init(file: Path, tmp_path: Path) -> Init:
    """Runs `waypost init` in a folder of its own, with nothing in the environment."""
    file.parent.mkdir()

    def run(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "waypost"), "init", *arguments]
        return subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | environment,
            cwd=tmp_path,
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def answers(outside: PretendServers, tmp_path: Path) -> list[str]:
    """What an operator gives as options; the pretend world is given as other settings."""
    given = {
        "public-url": f"http://127.0.0.1:{free_port()}",
        "relay-hostname": "mx.proj.example",
        "srs-domain": "srs.proj.example",
        "ops-address": "ops@ops.example.net",
        "mail-from": "waypost@proj.example",
        "project-name": "A Project",
        "database-url": f"sqlite:///{tmp_path}/data/waypost.db",
    }
    more = {
        "STATE_DIR": f"{tmp_path}/state",
        "OPENID_PROVIDER_URL": outside.ubuntu_one.url,
        "OPENID_ENDPOINT": outside.ubuntu_one.endpoint,
        "OPENID_CLAIMED_ID_PREFIX": outside.ubuntu_one.identifier_prefix,
        "LAUNCHPAD_API_URL": outside.launchpad.url,
        "LAUNCHPAD_WEB_URL": outside.launchpad.url,
    }
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    return options + [part for name, value in more.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture
def started(file: Path) -> Iterator[Callable[[], Portal]]:
    """Starts the portal with that file's settings."""
    made: list[Portal] = []

    def start() -> Portal:
        made.append(Portal(Settings(_env_file=file)))  # type: ignore[call-arg]
        made[-1].start()
        return made[-1]

    yield start
    for portal in made:
        portal.stop()


def link_in(printed: str) -> str:
    """The path of the link that was printed last."""
    (line,) = [line for line in printed.splitlines() if "/admin/first/" in line]
    return f"/admin/first/{line.rpartition('/')[2]}"


def test_from_nothing_to_the_first_admin(
    init: Init,
    answers: list[str],
    file: Path,
    started: Callable[[], Portal],
    outside: PretendServers,
    new_person: Callable[..., Account],
) -> None:
    done = init(str(file), *answers)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    portal = started()
    path = link_in(done.stdout)
    first, second = Client(portal.url, outside.ubuntu_one), Client(portal.url, outside.ubuntu_one)

    assert first.get(path).location == f"/login?next={path}"
    assert first.get("/admin").status == 303
    first.sign_in(new_person().name, next_page=path)
    assert first.get("/admin").status == 403
    page = first.get(path).page
    assert faults_of(page) == []
    assert first.post(path).location == "/admin"
    assert "You are an admin of the project now." in first.get("/admin").text

    second.sign_in(new_person().name)
    for answer in (second.get(path), second.post(path), second.get("/admin/first/x")):
        assert answer.status == 404
        assert "waypost init --link" in answer.text
    assert second.get("/admin").status == 403
    first.close()
    second.close()

    again = init("--link", **{FILE_VARIABLE: str(file)})
    assert again.returncode == 0, again.stderr
    assert link_in(again.stdout) != path
    runtime.prepare(portal.settings)
    with database.connection():
        verbs = [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]
        assert [verb for verb in verbs if verb.startswith(("admin-", "role-"))] == [
            *("admin-link-made", "admin-link-used", "role-granted", "admin-link-made"),
        ]
        assert RoleGrant.get().role == "project_admin"
        assert first_fault() is None


def test_what_is_not_given_is_asked_for_with_a_likely_answer(init: Init, file: Path) -> None:
    typed = "https://mail.proj.example\n\n\nops@ops.example.net\n\nA Project\n\n"
    done = init(str(file), typed=typed)
    assert done.returncode == 0, done.stderr
    settings = Settings(_env_file=file)  # type: ignore[call-arg]

    assert settings.public_url == "https://mail.proj.example"
    assert (settings.relay_hostname, settings.srs_domain) == ("mx.proj.example", "srs.proj.example")
    assert settings.mail_from == "waypost@mail.proj.example"
    assert settings.project_name == "A Project"
    assert len({settings.secret_key, settings.record_secret, *settings.srs_secrets}) == 3
    shell = subprocess.run(
        ["/bin/sh", "-c", f'. {file}; echo "$PROJECT_NAME"'], capture_output=True, text=True, check=True
    )
    assert shell.stdout == "A Project\n"


def test_a_file_is_not_replaced_without_being_told(
    init: Init, answers: list[str], file: Path, tmp_path: Path
) -> None:
    init(str(file), *answers)
    before = file.read_text()
    refused = init(str(file), *answers)
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    used = init(str(file), "--overwrite", *answers)
    assert used.returncode == 1
    assert "in use" in used.stderr
    assert file.read_text() == before

    other = init(str(file), "--overwrite", *answers, "--database-url", f"sqlite:///{tmp_path}/other.db")
    assert other.returncode == 0, other.stderr
    assert file.with_name("waypost.env.old").read_text() == before
    assert file.read_text() != before
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--public-url", "http://mail.example.org"], "PUBLIC_URL must begin with https"),
        (["--ops-address", "nobody"], "OPS_ADDRESS must be a mail address"),
        (["--set", "NOSUCH=1"], "NOSUCH is no setting"),
        (["--set", "PROJECT"], "PROJECT is no setting"),
        (["--project-name", "it's"], "PROJECT_NAME has a character"),
    ],
)
def test_what_cannot_be_leaves_nothing(
    init: Init, answers: list[str], file: Path, more: list[str], words: str
) -> None:
    done = init(str(file), *answers, *more)

    assert done.returncode == 1
    assert words in done.stderr
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(init: Init, answers: list[str], tmp_path: Path) -> None:
    done = init(str(tmp_path / "nowhere" / "waypost.env"), *answers)

    assert done.returncode == 1
    assert "nowhere/waypost.env.new cannot be written: No such file or directory." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_needs_the_settings(init: Init, file: Path) -> None:
    missing = init("--link")
    unreadable = init("--link", **{FILE_VARIABLE: str(file)})

    assert missing.returncode == unreadable.returncode == 78
    assert f"names {file}, which cannot be read" in unreadable.stderr
