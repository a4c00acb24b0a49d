"The two commands for published data sets, in processes of their own: killed, damaged, miscounted."
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from test_cli import cpa, cpa_words, env

from cpa_nb.data.synthetic import write_video

published = Path(os.environ["CPA_DATA"]) / "svip" if "CPA_DATA" in os.environ else None
needs_lists = pytest.mark.skipif(published is None, reason="CPA_DATA is not set; the published lists are not there")


def listing(folder: Path) -> dict:
    "Every file below a folder with the digest of its bytes."
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def finished(out: Path) -> list:
    "Folders of the videos that have their names."
    return [p.parent for p in out.glob("1.*/*/_source.json")]


def film(n: int, k: int) -> np.ndarray:
    "A picture that moves: (n,180,320,3)."
    x = np.random.default_rng(k).integers(0, 256, (1, 180, 320 + n, 3), np.uint8)
    return np.concatenate([x[:, :, i:i + 320] for i in range(n)])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    "Six videos, their suffixes in mixed case, and the frames that an undisturbed extraction makes of them."
    here = tmp_path_factory.mktemp("videos")
    for k in range(6): write_video(here / "set" / "videos" / f"1.{k % 2 + 1}" / f"v{k}.{'mp4' if k % 2 else 'MP4'}", film(50, k))
    cpa(here, "data", "extract", "set", "calm", "--workers", 2, "-q")
    return here, listing(here / "calm")


def test_killed_and_resumed_extraction_gives_the_same_bytes(recordings):
    here, calm = recordings
    assert len(calm) == 6*51 + 1 and (here / "calm/1.1/v0/50.jpg").exists()
    words, out = ["data", "extract", "set", "torn", "--workers", "1"], here / "torn"
    for blow, least in ((signal.SIGKILL, 2), (signal.SIGINT, 4)):
        process = subprocess.Popen([*cpa_words, *words], cwd=here, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        limit = time.monotonic() + 240
        while len(finished(out)) < least:
            assert process.poll() is None and time.monotonic() < limit, "ended before it could be stopped"
            time.sleep(.002)
        process.send_signal(blow)
        stdout, stderr = process.communicate(timeout=60)
        assert stdout == ""
        done = finished(out)
        assert least <= len(done) < 6
        for p in done: assert len([*p.glob("*.jpg")]) == 50  # what has its name is whole
        if blow == signal.SIGKILL: assert process.returncode == -signal.SIGKILL
        else: assert process.returncode == 130 and "the same command goes on" in stderr.splitlines()[-1] and not (out / ".part").exists()
    stdout, stderr = cpa(here, *words, "--json")
    assert json.loads(stdout) == dict(folder="torn", videos=6, of=6, size=[180, 320], quality=95) and "6/6" in stderr  # the bar is on standard error
    assert listing(out) == calm
    assert "made otherwise: quality 95, not 80" in cpa(here, *words, "--quality", 80, code=2)[1]


def test_damaged_video_is_named_and_the_others_are_done(recordings, tmp_path):
    here, calm = recordings
    shutil.copytree(here / "set", tmp_path / "set")
    bad = tmp_path / "set" / "videos" / "1.2" / "v3.mp4"
    bad.write_bytes(bad.read_bytes()[:2000])
    out, err = cpa(tmp_path, "data", "extract", "set", "frames", "-q", code=2)
    assert out == "" and "got 1 of 6 that are not" in err and "1.2/v3.mp4: " in err
    assert {k: v for k, v in calm.items() if "v3/" not in k} == listing(tmp_path / "frames")
    out, err = cpa(tmp_path, "data", "extract", "set", "frames", "-q", "--skip-bad")
    assert out.startswith("5 of 6 videos in frames") and "v3.mp4" in err
    shutil.copy(here / "set" / "videos" / "1.2" / "v3.mp4", bad)  # repaired
    cpa(tmp_path, "data", "extract", "set", "frames", "-q")
    assert listing(tmp_path / "frames") == calm


def test_check_names_wrong_counts_and_damage(recordings, tmp_path):
    here, _ = recordings
    shutil.copytree(here / "set", tmp_path / "CSV")
    splits = tmp_path / "CSV" / "splits"
    splits.mkdir()
    (splits / "train_split.txt").write_text("v0.MP4 1.1\nv2.MP4 1.1\nv4.MP4 1.1\nv1.mp4 1.2\n._v1.mp4 1.2\nv3.mp4 1.2\nlost.mp4 1.2\n")
    (splits / "train_pairs.txt").write_text("1.1/v0 1.1 1.1/v2 1.1\n1.2/v1 1.2 1.2/lost 1.2\n1.2/v1 1.2 1.2/v3 1.2\n")
    (tmp_path / "CSV/videos/1.2/v3.mp4").write_bytes(b"")
    out, err = cpa(tmp_path, "data", "check", "csv", "CSV", "-q", code=1)
    for said in ("train has 7 videos, published are 901", "test_split.txt is missing", "label_bank.json holds 0 procedures", "1 missing: 1.2/lost", "v3.mp4: the file is empty",
                 "that no list names: 1.2/v5", "train pairs: 1 of 3 can be formed", "NOT complete"): assert said in out, said
    assert err == "" and (tmp_path / "CSV/manifest.csv").read_text().count("\n") == 5
    found = json.loads(cpa(tmp_path, "data", "check", "csv", "CSV", "-q", "--json", code=1)[0])
    assert found["ok"] is False and found["recordings"]["videos"]["missing"] == ["1.2/lost"] and found["manifest"] is None
    (splits / "train_split.txt").write_text("v0.MP4 1.1\n\n")
    assert "train_split.txt line 2: need 'id label'; got ''" in cpa(tmp_path, "data", "check", "csv", "CSV", "-q", code=1)[0]
    for words in (("csv", "nowhere"), ("kinetics", "CSV"), ("csv",)): assert len(cpa(tmp_path, "data", "check", *words, code=2)[1].splitlines()) == 1


@needs_lists
def test_check_the_published_lists_and_a_full_copy(tmp_path):
    from dataclasses import replace

    from cpa_nb.data.label_bank import BankConfig, simulate_features, write_features
    from cpa_nb.data.official import read_official
    for name, folder in (("csv", "CSV"), ("coin-sv", "COIN-SV"), ("diving48-sv", "DIVING48-SV")):
        out, err = cpa(tmp_path, "data", "check", name, published / folder, code=1)
        assert "lists      as published" in out and "recordings none" in out and err == ""  # and nothing is written there: it may be read-only
    data = simulate_features(read_official("csv", published / "CSV"), cfg=BankConfig(dim=4, frames=(20, 24)))
    write_features(replace(data, truth={}), tmp_path / "CSV", published / "CSV")
    out, _ = cpa(tmp_path, "data", "check", "csv", "CSV", "-q")
    assert "1937 of 1937 recordings are there and readable" in out and "result     complete" in out and "manifest   CSV/manifest.csv" in out
    (tmp_path / "CSV/features/1.1/chenyijun.npy").unlink()
    (tmp_path / "CSV/features/7.1/baiyinghao.npy").write_bytes(b"rubbish")
    found = json.loads(cpa(tmp_path, "data", "check", "csv", "CSV", "-q", "--json", code=1)[0])
    assert not found["differences"] and found["recordings"]["features"]["missing"] == ["1.1/chenyijun"]
    assert "7.1/baiyinghao.npy" in found["recordings"]["features"]["unreadable"][0]
