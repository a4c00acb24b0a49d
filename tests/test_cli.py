"The command in processes of its own: exit codes, streams, and what is left when it is killed."
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

root = Path(__file__).resolve().parents[1]
env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
cpa_words = [sys.executable, "-c", "from cpa_nb.aqa_cli import main; main()"]
demo_words = ["demo", "--preset", "tiny", "--steps", "50", "--out", "story", "--workers", "1", "--quiet"]


def cpa(cwd, *words, code=0, timeout=300):
    "Run `cpa words` in a folder; its standard output and error."
    done = subprocess.run([*cpa_words, *map(str, words)], cwd=cwd, env=env, text=True, capture_output=True, timeout=timeout, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def when(process, happened):
    "Wait for something to happen while a process runs."
    limit = time.monotonic() + 240
    while time.monotonic() < limit and not happened():
        assert process.poll() is None, "ended before it could be stopped"
        time.sleep(.02)
    assert happened()


@pytest.fixture(scope="session")
def story(tmp_path_factory):
    "A folder with a rendered world, made by `cpa render`: killed with SIGKILL, stopped with Ctrl-C, and run once more."
    here = tmp_path_factory.mktemp("cli")
    journal, words = here / "story" / "world" / "journal.jsonl", ["render", "story/world", "--preset", "tiny", "--workers", "1"]
    for blow, lines in ((signal.SIGKILL, 4), (signal.SIGINT, 12)):
        process = subprocess.Popen([*cpa_words, *words], cwd=here, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        when(process, lambda least=lines: journal.exists() and journal.read_bytes().count(b"\n") >= least)
        process.send_signal(blow)
        out, err = process.communicate(timeout=60)
        assert out == ""
        if blow == signal.SIGKILL: assert process.returncode == -signal.SIGKILL
        else: assert process.returncode == 130 and "the same command goes on" in err.splitlines()[-1] and "Traceback" not in err
    out, err = cpa(here, *words, "--json")
    assert json.loads(out) == {"folder": "story/world", "videos": 52} and "52/52" in err  # bars are on standard error
    return here


@pytest.fixture(scope="session")
def trained(story):
    "A checkpoint by `cpa train` on six procedures, a sub-folder each."
    for i, folder in enumerate(sorted((story / "story" / "world" / "videos").iterdir())[:6]): shutil.copytree(folder, story / "mine" / f"procedure {i}")
    out, err = cpa(story, "train", "mine", "--out", "checkpoint", "--steps", 4, "--workers", 1, "--quiet", "--json")
    result = json.loads(out)
    assert err == "" and result["classes"] == [f"procedure {i}" for i in range(6)] and result["calibration"] is None
    return story


def test_help(tmp_path):
    out, err = cpa(tmp_path, "--help")
    assert err == "" and all(f"  {c} " in out for c in ("render", "demo", "verify", "train", "evaluate", "calibrate"))
    assert cpa(tmp_path, "--version")[0].startswith("cpa ")
    assert "Usage" in cpa(tmp_path, code=2)[1]


def test_verify_calibrate(trained):
    a, b = "mine/procedure 0/take01.mp4", "mine/procedure 0/take02.mp4"
    out, err = cpa(trained, "verify", a, b, "-c", "checkpoint", "--json", "--report", "pair.html", "--frames", "blur")
    one, two = json.loads(out), json.loads(cpa(trained, "verify", b, a, "-c", "checkpoint", "--json")[0])
    assert err == "" and (trained / "pair.html").stat().st_size > 10_000
    assert abs(one["distance"] - two["distance"]) <= 1e-9 and one["verdict"] == two["verdict"] == "uncalibrated"
    distance = {}
    takes = [f"mine/procedure {i}/take01.mp4" for i in (0, 1, 2)]
    for x, y in ((takes[0], takes[1]), (takes[1], takes[2])): distance[x, y] = json.loads(cpa(trained, "verify", x, y, "-c", "checkpoint", "--json")[0])["distance"]
    near, far = sorted(distance, key=distance.get)
    sheet = trained / "judged.csv"
    before = (trained / "checkpoint" / "model.json").read_bytes()
    sheet.write_text(f"a,b,same\n{','.join(near)},0\n{','.join(far)},1\n")
    assert "nearer" in cpa(trained, "calibrate", "judged.csv", "-c", "checkpoint", code=2)[1]
    assert (trained / "checkpoint" / "model.json").read_bytes() == before
    (trained / "torn.mp4").write_bytes((trained / near[0]).read_bytes()[:900])
    sheet.write_text(f"a,b,same\n{','.join(near)},1\n{','.join(far)},0\n{near[0]},torn.mp4,1\n")
    err = cpa(trained, "calibrate", "judged.csv", "-c", "checkpoint", code=2)[1]
    assert "got 1 of 4 that are not" in err.splitlines()[0] and "torn.mp4" in err.splitlines()[1]
    assert (trained / "checkpoint" / "model.json").read_bytes() == before
    out, err = cpa(trained, "calibrate", "judged.csv", "-c", "checkpoint", "--skip-bad")
    assert "2 pairs of judged.csv" in out and "1 of 4 videos cannot be read" in err and "torn.mp4" in err
    assert "from 2 pairs of judged.csv" in (trained / "checkpoint" / "model_card.md").read_text()
    assert "verdict     same" in cpa(trained, "verify", *near, "-c", "checkpoint", "--exit-code")[0]
    for pair in (far, far[::-1]): assert "verdict     different" in cpa(trained, "verify", *pair, "-c", "checkpoint", "--exit-code", code=1)[0]


def test_rubbish(trained):
    (trained / "notes.mp4").write_text("milk, sugar\n")
    (trained / "empty").mkdir(exist_ok=True)
    good = "mine/procedure 0/take01.mp4"
    shutil.copytree(trained / "checkpoint", trained / "cut", dirs_exist_ok=True)
    for file in (trained / "cut").glob("*.safetensors"): file.write_bytes(file.read_bytes()[:-9])
    for words in (("verify", good, "notes.mp4", "-c", "checkpoint"), ("verify", good, good, "-c", "cut"), ("train", "empty", "-q"), ("render", "mine", "--preset", "tiny")):
        out, err = cpa(trained, *words, "--json", code=2)
        assert out == "" and len(err.splitlines()) == 1 and err.startswith("cpa: "), (words, err)


def test_killed_demo_finishes(story):
    process = subprocess.Popen([*cpa_words, *demo_words], cwd=story, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    when(process, lambda: (story / "story" / "checkpoint" / "train").exists())
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (story / "story" / "report.html").exists()
    result = json.loads(cpa(story, *demo_words, "--json")[0])
    assert (story / result["report"]).stat().st_size > 10_000 and all(0 <= row["auc"] <= 1 for row in result["table"])
    out = cpa(story, "evaluate", "story/world", "-c", result["checkpoint"], "--out", "pairs.csv")[0]
    assert out.split()[1] == "pairs" and len((story / "pairs.csv").read_text().splitlines()) == 1 + int(out.split()[0])
    own = next(row for row in result["table"] if row["method"] == "CPA")
    assert f"AUC {own['auc']:.3f}" in out
    card = (story / result["checkpoint"] / "model_card.md").read_text()
    assert f"`world, test`: AUC {own['auc']:.3f}" in card and "## Signs of collapse" in card
    first = (story / "pairs.csv").read_text().splitlines()[1].split(",")[0]
    torn = story / "story" / "world" / "videos" / f"{first}.mp4"
    torn.write_bytes(torn.read_bytes()[:900])
    out, err = cpa(story, "evaluate", "story/world", "-c", result["checkpoint"], code=2)
    assert out == "" and "got 1 of" in err.splitlines()[0] and str(torn.relative_to(story)) in err.splitlines()[1]
    fewer, err = cpa(story, "evaluate", "story/world", "-c", result["checkpoint"], "--skip-bad")
    assert 0 < int(fewer.split()[0]) < len((story / "pairs.csv").read_text().splitlines()) - 1 and str(torn.relative_to(story)) in err
