"`cpa figure` in processes of its own: files, a second call that trains nothing, and refusals."
import json
from functools import partial

import pytest
from test_cli import cpa as command

cpa = partial(command, timeout=400)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    "A folder with the tiny world."
    folder = tmp_path_factory.mktemp("figures")
    cpa(folder, "render", "world", "--preset", "tiny", "--quiet")
    return folder


def test_figures_are_written_and_the_model_is_used_again(here):
    words = ["--data", "world", "--steps", 2, "--work", "kept", "--quiet"]
    first = json.loads(cpa(here, "figure", 5, *words, "--json")[0])
    assert (here / first["path"]).read_bytes()[:4] == b"\x89PNG" and first["path"] == "figure5.png" and "Eq. 1" in first["finding"]
    (kept,) = (here / "kept").glob("checkpoint-world-*")
    before = {p: p.stat().st_mtime_ns for p in kept.rglob("*") if p.is_file()}
    out, _ = cpa(here, "figure", 4, *words, "--out", "steps.svg")
    assert "of 12 mined steps" in out.splitlines()[0] and out.splitlines()[-1].split() == ["figure", "steps.svg"] and b"<svg" in (here / "steps.svg").read_bytes()
    a, _, b, _ = (here / "world" / "splits" / "test_pairs.txt").read_text().splitlines()[0].split()
    out, _ = cpa(here, "figure", 3, *words, "--pairs", f"{a} {b}", "--out", "table.pdf")
    assert f"{a} and {b}, as named" in out and (here / "table.pdf").read_bytes()[:4] == b"%PDF"
    assert {p: p.stat().st_mtime_ns for p in kept.rglob("*") if p.is_file()} == before  # nothing was trained again
    assert [p.name for p in (here / "kept").iterdir()] == [kept.name]


def test_refusals(here):
    (here / "empty").mkdir()
    for words, said in ((["8"], "from 1 to 7"), (["0"], "from 1 to 7"), (["six"], "number"), (["3", "--data", "empty"], "PRECOG"), (["3", "--out", "f.gif"], ".pdf"),
                        (["3", "--data", "world", "-c", "nowhere"], "nowhere"), (["3", "--data", "world", "--steps", "2", "--work", "kept", "--pairs", "x y"], "got 'x y'")):
        out, err = cpa(here, "figure", *words, "-q", code=2)
        assert out == "" and len(err.splitlines()) == 1 and said in err, (words, err)
    assert not list(here.glob("runs"))
