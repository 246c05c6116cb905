"""In step whatever dies: a short `script/bench sync-chaos`; the long one is run by hand."""

import subprocess
import sys

import pytest

PATIENCE = 600  # seconds, on a busy machine; two minutes on an idle one


@pytest.mark.timeout(PATIENCE + 60)
def test_after_kills_and_faults_everything_is_as_it_would_be_without() -> None:
    """Workers, broker and database are killed and Launchpad fails; at the end the rows are the same."""
    command = [sys.executable, "-m", "bench.sync_chaos", "--syncs", "12", "--seed", "4"]
    chaos = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = chaos.communicate(timeout=PATIENCE)
    finally:
        chaos.terminate()  # it ends what it has started
        chaos.wait()

    assert chaos.returncode == 0, said
    kills = said.partition("kills: ")[2].partition("\n")[0]
    assert all(kind in kills for kind in ("worker", "broker", "database")), kills
    assert "no difference" in said
