"The records that assessment tables are printed from: what each must say, and that the methods of today would make them."
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cpa_nb.aqa_rows import AQARow, aqa_methods, aqa_record, chosen_rate, read_aqa_record, tuned_as, untried
from cpa_nb.aqa_tables import aqa_table, aqa_tables, read_aqa_records

root = Path(__file__).parents[1]
kept = subprocess.run(["git", "ls-files", "data/results"], capture_output=True, text=True, check=False, cwd=root).stdout.split()  # not what a user adds
files = [root / p for p in kept if "/aqa-" in p and (root / p).exists()]
rates = [root / p for p in kept if p.startswith("data/results/lr/dives-")]
rows = [p for p in files if not p.name.startswith("trivial")]
pytestmark = pytest.mark.skipif(not files, reason="no records of assessment here")


@pytest.mark.parametrize("path", rows, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_record_says_what_it_is(path):
    "Where it lies, what made it, from which commit; its choices are those of today."
    r = json.loads(path.read_text())
    row = AQARow(**r["config"])
    assert aqa_record(path.parents[1], row) == path and row.method in aqa_methods
    assert read_aqa_record(path, row) == r
    assert r["commit"] != "unknown" and not r["commit"].endswith("-dirty")
    assert len(r["history"]["valid"]) == len(r["history"]["test_rho"]) and r["history"]["step"][-1] == row.steps  # the last one is tested
    assert np.isclose(r["peak"]["rho"], max(r["history"]["test_rho"]), rtol=0, atol=1e-5)
    assert np.isclose(np.nanmean(r["draws"]["rho"]), r["mean"]["rho"], atol=.02)


@pytest.mark.parametrize("folder", sorted({p.parent for p in rows}), ids=lambda p: p.name)
def test_tables_print(folder):
    "Every row that was run stands in a table, with finite numbers; rows of a seed saw the same data."
    records = read_aqa_records(root / "data" / "results", folder.name.removeprefix("aqa-"))
    for wanted in aqa_tables.values():
        table = aqa_table(records, wanted)
        assert len(table) == sum(r.method in records for r in wanted)
        if len(table): assert np.isfinite(table[["rho", "relative", "peak"]].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("path", rates, ids=lambda p: p.stem)
def test_a_rate_was_searched_to_the_end(path):
    "The best has worse neighbours, and the rows of tables took it."
    found = json.loads(path.read_text())
    assert untried(found) is None and found["settled"] and "dirty" not in found["commit"]
    assert found["tried"][f"{found['chosen']:g}"] == max(found["tried"].values())
    for p in rows:
        config = json.loads(p.read_text())["config"]
        if tuned_as(config["method"]) == found["method"]:
            assert config["lr"] == found["chosen"] == chosen_rate(root / "data" / "results", config["method"])
