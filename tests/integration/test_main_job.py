"""The whole product over real processes: what `script/demo --check` does, on both databases."""

import pytest

from devtools.demo import Check
from devtools.stack import Stack


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest) -> str | None:
    """A database of its own: SQLite in the stack's folder, or an empty one on the private PostgreSQL."""
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("postgres_server")
    return server.create("main_job")


def test_the_main_job_works_from_end_to_end(
    fresh_url: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with Stack(database_url=fresh_url) as stack:
        done = Check(stack).run()
        logs = {name: (stack.folder / f"{name}.log").read_text() for name in stack.processes}

    assert done, f"{capsys.readouterr().out}\n{logs}"


def test_the_main_job_works_with_a_roster_and_openid_connect(capsys: pytest.CaptureFixture[str]) -> None:
    with Stack(roster=True) as stack:
        done = Check(stack).run()
        logs = {name: (stack.folder / f"{name}.log").read_text() for name in stack.processes}

    assert done, f"{capsys.readouterr().out}\n{logs}"


def test_the_check_names_the_step_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with Stack() as stack:
        stack.processes["relay"].terminate()
        stack.processes["relay"].wait(20)
        done = Check(stack).run()

    assert not done
    assert "FAILED  an unknown address is refused with 550 5.1.1" in capsys.readouterr().out
