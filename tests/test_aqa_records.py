"The records that assessment tables are printed from: what each must say, and that the methods of today would make them."
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cpa_nb.aqa_rows import AQARow, aqa_methods, aqa_record, chosen_rate, developed_on, rates, read_aqa_record, tuned_as
from cpa_nb.aqa_tables import aqa_table, aqa_tables, read_aqa_records, tuned
from cpa_nb.tables import untried

root = Path(__file__).parents[1]
kept = subprocess.run(["git", "ls-files", "data/results"], capture_output=True, text=True, check=False, cwd=root).stdout.split()  # not what a user adds
files = [root / p for p in kept if "/aqa-" in p and (root / p).exists()]
searches = [root / p for p in kept if p.startswith(f"data/results/lr/{developed_on}-")]
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
    assert r["peak"] == dict(rho=max(r["history"]["test_rho"]), relative=min(r["history"]["test_relative"]))
    draws = np.array(r["draws"]["rho"], dtype=float)
    if len(np.unique(draws)) > 100: assert np.isclose(np.nanmean(draws), r["mean"]["rho"], atol=.02)
    else: assert np.nanmin(np.abs(draws - r["mean"]["rho"])) < 1e-3  # a few people: one of the draws is each of them once


@pytest.mark.parametrize("folder", sorted({p.parent for p in rows}), ids=lambda p: p.name)
def test_tables_print(folder):
    "Every row that was run stands in a table, with finite numbers; rows of a seed saw the same data."
    records = read_aqa_records(root / "data" / "results", folder.name.removeprefix("aqa-"))
    for wanted in aqa_tables.values():
        table = aqa_table(records, wanted)
        assert len(table) == sum(r.method in records for r in wanted)
        if len(table): assert np.isfinite(table[["rho", "relative", "peak"]].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("path", searches, ids=lambda p: p.stem)
def test_a_rate_was_searched_to_the_end(path):
    "The best has worse neighbours, on dives that no table reports, and the rows of tables took it."
    found = json.loads(path.read_text())
    assert untried(found, rates) is None and found["settled"] and "dirty" not in found["commit"]
    assert found["tried"][f"{found['chosen']:g}"] == max(found["tried"].values()) and found["data"] == developed_on
    for p in rows:
        r = json.loads(p.read_text())
        if tuned_as(r["config"]["method"]) == found["method"]:
            assert r["config"]["lr"] == found["chosen"] == chosen_rate(root / "data" / "results", r["config"]["method"])
            assert r["config"]["data"] == developed_on or r["data"]["digest"] not in found["digests"]


def test_every_row_has_a_rate_that_was_searched():
    "Nothing in a table runs at a rate that nobody chose."
    wanted = {tuned_as(r.method) for t in aqa_tables.values() for r in t if r.method in aqa_methods}
    assert wanted <= set(tuned) and {p.stem.removeprefix(f"{developed_on}-") for p in searches} == set(tuned)


def test_what_the_dives_were_made_for():
    "Exemplars tell how strict judges are; steps tell where a wobble is; mined ones lie better than any that stand still, and blame better than uniform ones."
    by = read_aqa_records(root / "data" / "results", "dives")

    def mean(method, *way):
        return np.mean([r[way[0]][way[1]] for r in by[method].values()])

    rho = {m: mean(m, "mean", "rho") for m in by}
    assert rho["usdl_mean"] < rho["musdl_mean"] < rho["core"] < rho["whole"] < rho["tsa_uniform"] < rho["cpa_tsa"]
    still = json.loads((root / "data" / "results" / "aqa-dives" / "trivial-s1.json").read_text())["cuts"]
    for reading in ("middle_0.75", "mean3_0.75"):
        best = f"chosen_{reading}"  # the two boundaries that held-out dives choose
        assert mean("cpa_tsa", "steps", best) > max(mean("uniform", "steps", best), *(c[reading] for c in still.values()))
    assert mean("cpa_tsa", "explained", "hit") > mean("uniform", "explained", "hit") > mean("cpa_tsa", "explained", "constant_hit")
