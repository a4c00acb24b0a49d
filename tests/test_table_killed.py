"Rows of a table, and searches for a learning rate, that are really killed: what was recorded stays, and the same call ends with the same records."
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

script = '''
import sys
from pathlib import Path
import numpy as np, pandas as pd
from cpa_nb.data.sv import ArraySource, SVSet, positive_pairs
from cpa_nb.experiments import SVTable, on_test, other_data, run_rows
from cpa_nb.tables import Bench, development, lr_rows

def toy(cfg, *rest):
    "Two procedures a task that differ in the order of two steps; frames are directions."
    rng = np.random.default_rng(cfg.seed)
    orders = {f"{t}.{p}": 3*t + np.array(o) for t in range(4) for p, o in enumerate([(0, 1, 2), (1, 0, 2)])}
    arrays = {f"{c}/{i}": np.repeat(3*np.eye(12, dtype=np.float32)[o], rng.integers(12, 16, 3), 0) for c, o in orders.items() for i in range(3)}
    lists = pd.DataFrame([(k, k.split("/")[0]) for k in arrays], columns=["id", "label"])
    held = lists.label.str[0].isin(["2", "3"])
    splits = {"train": lists[~held].reset_index(drop=True), "test": lists[held].reset_index(drop=True)}
    test = pd.concat([positive_pairs(splits["test"]), positive_pairs(splits["test"].assign(label=splits["test"].label.str[0]))]).drop_duplicates(["a", "b"])
    same = test.a.str[:3] == test.b.str[:3]
    test = test.assign(same=same, kind=np.where(same, "same", "swap"), task=test.a.str[0]).reset_index(drop=True)
    return SVSet("toy", ArraySource(arrays, 10.), splits, dict(train=positive_pairs(splits["train"]), test=test), {})

other_data["toy"] = toy
development["toy"] = lambda cfg, *rest: (on_test(toy(cfg)),)
work, results = Path(sys.argv[2])/"work", Path(sys.argv[2])/"results"
if sys.argv[1] == "rows": run_rows(SVTable("toy", (0, 1), 60, ("bag", "dtw"), lr=1e-3), None, None, work, results, work, progress=False)
else: lr_rows(Bench("toy", (0,), 40, "a toy"), ["bag"], work, results, work, progress=False)
'''


def start(what: str, folder: Path, repo: Path) -> subprocess.Popen:
    "The rows, or the search, in a process of its own."
    env = {**os.environ, "PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", script, what, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def finish(process: subprocess.Popen) -> None:
    "Wait for the end, which is a good one."
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err


def records(folder: Path) -> dict:
    "What was written, less what no two runs have in common."
    found = {str(p.relative_to(folder)): json.loads(p.read_text()) for p in sorted((folder / "results").rglob("*.json"))}
    return {name: {k: v for k, v in r.items() if k != "seconds"} for name, r in found.items()}


@pytest.mark.parametrize(("what", "first"), [("rows", "sv-toy/bag-s0.json"), ("lr", "lr/toy-bag.json")])
def test_killed_after_the_first_record(what, first, repo, tmp_path):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    finish(start(what, calm, repo))
    process, path, until = start(what, killed, repo), killed / "results" / first, time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = path.read_bytes()
    assert what == "rows" or not json.loads(kept)["settled"]
    assert records(killed) != records(calm)
    finish(start(what, killed, repo))
    assert records(killed) == records(calm)
    assert what == "lr" or path.read_bytes() == kept  # not run again
