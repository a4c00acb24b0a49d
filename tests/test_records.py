"The records that tables are printed from: what each must say, and that the methods of today would make them."
import json
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cpa_nb.data.sv import ArraySource, SVSet
from cpa_nb.experiments import by_method, identity, other_choices
from cpa_nb.methods import methods, pixels_only

root = Path(__file__).parents[1]
kept = subprocess.run(["git", "ls-files", "data/results"], capture_output=True, text=True, check=False, cwd=root).stdout.split()  # not what a user adds
files = [root / p for p in kept if (root / p).exists()]
folders = sorted({p.parent for p in files if p.parent.name.startswith("sv-")})
rates = [p for p in files if p.parent.name == "lr" and not p.name.startswith("development-")]  # those of assessment: test_aqa_records.py
pytestmark = pytest.mark.skipif(not files, reason="no git checkout: which records are the project's own is not known")
of_files = {"zero-shot", "lite0", "tuned"}  # their trunk is a file that is not everywhere
on_gpu = {"tuned"}  # trained once, before records said what was trained


def read(folder: Path) -> list[dict]:
    "The records of a folder."
    return [json.loads(p.read_text()) for p in files if p.parent == folder]


def full(folder: Path) -> list[dict]:
    "Those that say all that a record says today."
    return [r for r in read(folder) if r["config"]["method"] not in on_gpu]


def frames(method: str) -> int:
    "Of a clip."
    return 48 if method.endswith("_t48") else 16 if method.startswith("paper") else 32


@cache
def today(method: str) -> dict:
    "What a row is now, apart from weights: built on two videos of noise."
    shape = (64, 112, 3) if method in pixels_only else (8,)
    rng = np.random.default_rng(0)
    source = ArraySource({i: rng.integers(0, 255, (40, *shape)).astype(np.uint8 if len(shape) == 3 else np.float32) for i in "ab"})
    lists = {"train": pd.DataFrame(dict(id=["a", "b"], label=["1", "2"]))}
    return identity(methods[method](SVSet("noise", source, lists, {}, {"1": ["x", "y"], "2": ["y", "x"]}), 0))


@pytest.mark.parametrize("folder", folders, ids=lambda f: f.name)
def test_rows_of_a_seed_saw_the_same(folder):
    assert by_method(read(folder))


@pytest.mark.parametrize("folder", folders, ids=lambda f: f.name)
def test_records_say_where_they_come_from(folder):
    for r in full(folder):
        about = (r["config"]["method"], r["config"]["seed"])
        assert len(r["commit"]) >= 7 and "dirty" not in r["commit"], about
        assert r["data"]["digest"] and r["data"]["index"] and r["model"], about


@pytest.mark.parametrize("folder", folders, ids=lambda f: f.name)
def test_rows_look_at_the_same_frames(folder):
    seen: dict[tuple, set] = {}
    for r in full(folder):
        seen.setdefault((r["config"]["seed"], frames(r["config"]["method"])), set()).add(r["data"]["index"])
    assert all(len(digests) == 1 for digests in seen.values()), seen


@pytest.mark.parametrize("folder", folders, ids=lambda f: f.name)
def test_methods_are_those_of_today(folder):
    for r in full(folder):
        method = r["config"]["method"]
        if r["model"]["distance"] == "CPADistance":
            assert not other_choices(r), method
        elif method not in of_files:
            assert r["model"] == today(method), method


@pytest.mark.parametrize("path", rates, ids=lambda p: p.stem)
def test_rates_were_searched_for_the_methods_of_today(path):
    found = json.loads(path.read_text())
    assert len(found["commit"]) >= 7 and "dirty" not in found["commit"] and found["settled"]
    made, now = found["model"], today(found["method"])
    assert (made["distance"], made["weights"]) == (now["distance"], now["weights"])
    if made["distance"] == "CPADistance":
        assert not other_choices(dict(config=dict(method=found["method"]), model=made))
    else:
        assert made["config"].items() <= now["config"].items()  # older searches said less
