"""In step whatever dies: a short `script/bench sync-chaos`; the long one is run by hand."""

import subprocess
import sys

PATIENCE = 600  # seconds, on a busy machine


def test_after_kills_and_faults_everything_is_as_it_would_be_without() -> None:
    """Workers, broker and database are killed and Launchpad fails; at the end the rows are the same."""
    command = [sys.executable, "-m", "bench.sync_chaos", "--syncs", "12", "--seed", "6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills: " in done.stdout
    assert "no difference" in done.stdout
