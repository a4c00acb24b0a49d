"Training on the features of a pretrained backbone, in processes of its own: killed while it encodes, without room, and whether its checkpoint serves every command."
import json
import resource
import shutil
import signal
import subprocess

import pytest
import torch

from cpa_nb.backbones import TrunkEncoder
from cpa_nb.data.synthetic import make_world, preset, render_video, write_video
from test_cli import cpa, cpa_words, env, when

words = ["train", "mine", "--backbone", "lite0", "--weights", "random.pth", "--steps", "2", "--workers", "1", "--quiet", "--json"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    "Two procedures with three short recordings each, and weights of the right shape: what must hold does not depend on their values."
    folder = tmp_path_factory.mktemp("backbone")
    world = make_world(preset("tiny"), 0)
    for name, p in (("tea", world.procedures[0]), ("coffee", world.procedures[5])):
        for k in range(3): write_video(folder / "mine" / name / f"take{k}.mp4", render_video(world, p.steps, k, task=p.task).frames[:32], 10., 18)
    torch.manual_seed(0)
    torch.save(TrunkEncoder("lite0").trunk.state_dict(), folder / "random.pth")
    return folder


def kept(folder): return {p.name: p.stat().st_mtime_ns for p in (folder / "features").glob("*.safetensors")}


@pytest.fixture(scope="module")
def calm(here):
    "A run that nobody disturbs."
    out = json.loads(cpa(here, *words, "--out", "calm")[0])
    assert out["classes"] == ["coffee", "tea"] and len(kept(here / "calm")) == 6
    return json.loads((here / "calm" / "model.json").read_text())


def test_killed_while_it_encodes(here, calm):
    process = subprocess.Popen([*cpa_words, *words, "--out", "torn"], cwd=here, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    when(process, lambda: len(kept(here / "torn")) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    before = kept(here / "torn")
    assert 2 <= len(before) < 6
    cpa(here, *words, "--out", "torn")
    after = kept(here / "torn")
    assert {k: v for k, v in after.items() if k in before} == before and after.keys() == kept(here / "calm").keys()  # nothing encoded twice
    again = json.loads((here / "torn" / "model.json").read_text())
    assert again["sha256"] == calm["sha256"] and again["domain"] == calm["domain"]
    assert not [*(here / "torn" / "features").glob(".*")] or kept(here / "torn") == after


def test_no_room_for_features(here):
    def small(): resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    done = subprocess.run([*cpa_words, *words, "--out", "full"], cwd=here, env=env, text=True, capture_output=True, timeout=300, check=False, preexec_fn=small)
    assert done.returncode == 2 and done.stdout == "" and "cpa: need to write" in done.stderr and "make room" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not [*(here / "full" / "features").iterdir()]


def test_the_checkpoint_serves_every_command(here, calm):
    a, b, c = "mine/tea/take0.mp4", "mine/tea/take1.mp4", "mine/coffee/take0.mp4"
    near, far = (json.loads(cpa(here, "verify", a, x, "-c", "calm", "--json")[0]) for x in (b, c))
    assert near["verdict"] == far["verdict"] == "uncalibrated" and near["distance"] != far["distance"]
    (here / "judged.csv").write_text(f"a,b,same\n{a},{b},{int(near['distance'] < far['distance'])}\n{a},{c},{int(near['distance'] > far['distance'])}\n")
    assert "2 pairs of judged.csv" in cpa(here, "calibrate", "judged.csv", "-c", "calm")[0]
    lists = here / "set" / "splits"
    lists.mkdir(parents=True)
    shutil.copytree(here / "mine", here / "set" / "videos")
    (lists / "train_split.txt").write_text("tea/take2 tea\n")
    (lists / "train_pairs.txt").write_text("")
    (lists / "test_split.txt").write_text("tea/take0 tea\ntea/take1 tea\ncoffee/take0 coffee\n")
    (lists / "test_pairs.txt").write_text("tea/take0 tea tea/take1 tea\ntea/take0 tea coffee/take0 coffee\n")
    cpa(here, "evaluate", "set", "-c", "calm", "--out", "pairs.csv")
    rows = [line.split(",") for line in (here / "pairs.csv").read_text().splitlines()]
    column = rows[0].index("distance")
    for row, v in zip(rows[1:], (near, far), strict=True): assert abs(float(row[column]) - v["distance"]) < 1e-3*max(1, v["distance"])  # features and videos agree
    assert len(kept(here / "calm")) == 6  # the recordings are those it was trained on: nothing was encoded anew
