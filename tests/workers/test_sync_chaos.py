"""In step whatever dies: a short `script/bench sync-chaos`; the long one is run by hand."""

import subprocess
import sys

PATIENCE = 600  # seconds, on a busy machine


def test_after_kills_and_faults_everything_is_as_it_would_be_without() -> None:
    """Workers, broker and database are killed and Launchpad fails; at the end the rows are the same."""
    command = [sys.executable, "-m", "bench.sync_chaos", "--syncs", "12", "--seed", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    kills = done.stdout.partition("kills: ")[2].partition("\n")[0]
    assert all(kind in kills for kind in ("worker", "broker", "database")), kills
    assert "no difference" in done.stdout
