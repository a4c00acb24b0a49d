"A training process that is really killed, and really started again, ends with the weights of one that was left alone."
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

script = '''
import json, sys
from pathlib import Path
import numpy as np, torch
from cpa_nb.data.sv import ArraySource, SVSet, all_pairs, positive_pairs
import pandas as pd
from cpa_nb.evaluation import validator
from cpa_nb.model import CPAConfig, build_cpa
from cpa_nb.training import TrainConfig, fit, pair_batches

torch.set_num_threads(1)
rng = np.random.default_rng(0)
arrays = {f"1.{p}/{i}": rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8) for p in range(3) for i in range(4)}
table = pd.DataFrame({"id": list(arrays), "label": [i.split("/")[0] for i in arrays]}, dtype=object)
val = table[table.id.str.endswith(("2", "3"))]
train = table[~table.id.isin(val.id)]
data = SVSet("films", ArraySource(arrays), {"train": train, "val": val}, {"train": positive_pairs(train), "val": all_pairs(val)}, {})
batches = pair_batches(data, n_frames=6, batch=3, seed=0)

def announced(step):
    "Say which step begins, so that the one who watches can kill in its middle."
    batch = batches(step)
    print("step", step, flush=True)
    return batch

model = build_cpa(CPAConfig(n_frames=6, n_steps=4, dim=8), (32, 32, 3), len(data.classes), seed=0)
history = fit(model, announced, TrainConfig(steps=12, steps_per_epoch=3, batch=3), Path(sys.argv[1]), validator(data, 6), progress=False)
print("done", len(history), flush=True)
'''


def start(folder: Path, repo: Path) -> subprocess.Popen:
    "The training process, its lines readable."
    env = {**os.environ, "PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def stop_at(folder: Path, repo: Path, step: int, how: signal.Signals) -> subprocess.Popen:
    "Start, and send the signal when this step begins."
    process = start(folder, repo)
    for line in process.stdout:
        if line == f"step {step}\n":
            process.send_signal(how)
            break
    process.communicate(timeout=120)
    return process


def outcome(folder: Path) -> dict:
    "Digests of the weights and the history, as the pointers record them."
    last, best = (json.loads((folder / f"{name}.json").read_text()) for name in ("last", "best"))
    return dict(last=last["sha256"], best=best["sha256"], history=last["history"], csv=(folder / "history.csv").read_text(), threads=last["threads"])


@pytest.fixture(scope="module")
def reference(tmp_path_factory, repo):
    "A run that nobody disturbs."
    folder = tmp_path_factory.mktemp("calm")
    process = start(folder, repo)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "done 4"
    return outcome(folder)


def test_killed_twice_and_resumed_is_the_same_run(reference, repo, tmp_path):
    killed = stop_at(tmp_path, repo, 7, signal.SIGKILL)  # in the third epoch of three steps: two are on disk
    assert killed.returncode == -signal.SIGKILL
    state = json.loads((tmp_path / "last.json").read_text())
    assert state["step"] == 6 and state["sha256"] != reference["last"]
    interrupted = stop_at(tmp_path, repo, 10, signal.SIGINT)  # Ctrl-C in the fourth
    assert interrupted.returncode not in (0, -signal.SIGKILL)
    assert json.loads((tmp_path / "last.json").read_text())["step"] == 9
    out, err = start(tmp_path, repo).communicate(timeout=300)
    assert out.splitlines() == ["step 0", "step 9", "step 10", "step 11", "done 4"], err  # batch 0 identifies the data
    assert outcome(tmp_path) == reference
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == sorted(json.loads((tmp_path / f"{n}.json").read_text())["weights"] for n in ("last", "best"))


def test_killed_before_the_first_checkpoint_starts_over(reference, repo, tmp_path):
    stop_at(tmp_path, repo, 1, signal.SIGKILL)
    assert not (tmp_path / "last.json").exists()
    out, err = start(tmp_path, repo).communicate(timeout=300)
    assert out.splitlines()[-1] == "done 4", err
    assert outcome(tmp_path) == reference
