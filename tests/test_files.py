"""Files as they come: every kind of odd or broken file ends in the right answer, or in an error that names the file and says what is wrong.

`python tests/test_files.py` prints the table of outcomes: what was tried, and what happened."""
import json
import os
import pickle
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from cpa_nb.data.sv import BadFiles, FeatureSource, VideoSource, cached, parse_pairs, parse_split, read_procedure_folders, read_sv, wrong_videos
from cpa_nb.data.synthetic import frames_digest
from cpa_nb.data.video import VideoError, frame_times, probe, read_features, read_frames
from cpa_nb.learning import Checkpoint, load_checkpoint, save_checkpoint
from cpa_nb.model import CPAConfig, build_cpa
from cpa_nb.training import TrainConfig, fit, load_state, pair_batches
from cpa_nb.verification import read_clip, read_pairs_csv

outcomes = []  # (group, kind, what happened), filled as the tests run


def note(group: str, kind: str, what) -> None:
    "A line of the table."
    outcomes.append((group, kind, " ".join(str(what).split())))


def refused(group: str, kind: str, path: Path, call, *words: str, error=ValueError) -> None:
    "The call must fail with an error that names the file and contains the words."
    with pytest.raises(error) as caught: call()
    text = str(caught.value)
    assert path.name in text, f"{kind}: the file is not named in {text!r}"
    for w in words: assert w in text, (kind, w, text)
    note(group, kind, "refused: " + text.replace(f"{path.parent}{os.sep}", "").replace(str(path.parent), "."))


# ---- videos ----------------------------------------------------------------------------------------------------------------------------------
def ramp(n: int, height: int = 48, width: int = 64) -> np.ndarray:
    "Frames (n,H,W,3) whose grey tells their number, with a brighter left third."
    x = np.full((n, height, width, 3), 30, np.uint8) + (6*np.arange(n)).astype(np.uint8)[:, None, None, None]
    x[:, :, :width//3] += 40
    return x


def number(frames: np.ndarray) -> list:
    "The numbers of frames made by `ramp`, read from their right half."
    return ((frames[:, :, frames.shape[2]//2 + 4:].mean((1, 2, 3)) - 30)/6).round().astype(int).tolist()


def write(path: Path, frames: np.ndarray, codec="libx264", pix_fmt="yuv420p", stamps_ms=None, rotation=None, sound=0., options=None) -> Path:
    "A video of these frames, 10 a second or shown at the times given, with seconds of silence as a second track."
    path.parent.mkdir(parents=True, exist_ok=True)
    base = Fraction(1, 1000)
    with av.open(str(path), "w", options=options or {}) as c:
        voice = c.add_stream("aac", rate=8000) if sound else None
        s = c.add_stream(codec, rate=10, options={"threads": "1", "g": "6"} | ({"x265-params": "log-level=none:pools=1:frame-threads=1"} if codec == "libx265" else {}))
        s.height, s.width, s.pix_fmt, s.codec_context.time_base = *frames.shape[1:3], pix_fmt, base
        if codec == "mpeg4": s.bit_rate = 2_000_000
        if pix_fmt == "gray": s.codec_context.color_range = 2  # PyAV writes grey with the full range
        if rotation is not None: s.set_display_rotation(rotation)
        for k in range(round(8000*sound)//1024):
            f = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            f.rate, f.pts = 8000, 1024*k
            c.mux(voice.encode(f))
        if voice: c.mux(voice.encode(None))
        for i, x in enumerate(frames):
            f = av.VideoFrame.from_ndarray(x, format="rgb24")
            f.pts, f.time_base = int(100*i if stamps_ms is None else stamps_ms[i]), base
            c.mux(s.encode(f))
        c.mux(s.encode(None))
    return path


uneven_ms = np.cumsum(np.r_[0, np.random.default_rng(0).integers(20, 400, 29)])
sound_kinds = {
    "plain": dict(),
    "variable frame rate": dict(stamps_ms=uneven_ms),
    "odd size, 4:2:0, MPEG-4": dict(size=(47, 63), codec="mpeg4"),
    "odd size, 4:4:4": dict(size=(47, 63), pix_fmt="yuv444p"),
    "10 bit, H.264": dict(pix_fmt="yuv420p10le"),
    "10 bit, HEVC": dict(codec="libx265", pix_fmt="yuv420p10le"),
    "grey, H.264": dict(pix_fmt="gray"),
    "grey, 16 bit, lossless": dict(codec="ffv1", pix_fmt="gray16le", suffix=".mkv"),
    "with sound": dict(sound=3.),
    "sound longer than the pictures": dict(sound=6.),
    "moov at the front": dict(options={"movflags": "faststart"}),
    "fragmented MP4": dict(options={"movflags": "frag_keyframe+empty_moov"}),
}
odd_names = {"spaces": "a take  of two.mp4", "non-ASCII": "Kaffee kochen äöü 泡茶.mp4", "percent, colon, hash": "50%03d:a#b?.mp4", "leading minus": "-i.mp4", "quotes": "it's \"it\".mp4",
             "bytes that are no UTF-8": os.fsdecode(b"caf\xe9.mp4")}


def check_right(path: Path, shape: tuple, times: np.ndarray) -> None:
    "Count, size, order and times of thirty `ramp` frames."
    info = probe(path)
    assert (info.n_frames, info.height, info.width) == (30, *shape)
    x = read_frames(path)
    assert x.shape == (30, *shape, 3) and number(x) == list(range(30))
    assert number(read_frames(path, [29, 0, 7])) == [29, 0, 7]
    assert np.allclose(frame_times(path), times, atol=2e-3)


@pytest.mark.parametrize("kind", sound_kinds)
def test_odd_videos_are_read_right(kind, tmp_path):
    how = dict(sound_kinds[kind])
    shape, suffix = how.pop("size", (48, 64)), how.pop("suffix", ".mp4")
    path = write(tmp_path/f"odd{suffix}", ramp(30, *shape), **how)
    check_right(path, shape, how.get("stamps_ms", 100*np.arange(30))/1000)
    note("video", kind, "read right")


@pytest.mark.parametrize("angle", (90, 180, -90))
def test_rotation_flag(angle, tmp_path):
    path = write(tmp_path/"turned.mp4", ramp(4), rotation=angle)
    x = read_frames(path)
    expected = np.rot90(read_frames(write(tmp_path/"flat.mp4", ramp(4))), angle//90, axes=(1, 2))
    assert x.shape == expected.shape and np.abs(x.astype(int) - expected).max() == 0 and probe(path)[2:4] == x.shape[2:0:-1]
    note("video", f"rotation flag {angle}", "read right, upright")


@pytest.mark.parametrize("kind", odd_names)
def test_names(kind, tmp_path):
    path = write(tmp_path/"plain.mp4", ramp(30)).rename(tmp_path/odd_names[kind])
    check_right(path, (48, 64), np.arange(30)/10)
    source = VideoSource(tmp_path)
    assert len(source) == 1 and source.n_frames(source.ids[0]) == 30
    path.write_bytes(b"")
    with pytest.raises(VideoError) as caught: read_frames(path)
    assert str(path) in str(caught.value)
    note("video", f"name with {kind}", "read right")


def rubbish(kind: str, folder: Path) -> tuple:
    "A broken file of this kind and words that its refusal must hold."
    good = write(folder/"good.mp4", ramp(60)).read_bytes()
    where = folder/"bad.mp4"
    if kind == "missing": return where, "no such file"
    if kind == "empty": content, words = b"", "the file is empty"
    elif kind == "text": content, words = "take two\n".encode()*200, "not a readable video"
    elif kind == "picture renamed": content, words = b"\xff\xd8\xff\xe0" + bytes(500), ""
    elif kind == "truncated MP4": content, words = good[:len(good)//2], "not a readable video"
    elif kind == "truncated MP4, moov at the front":
        content, words = write(folder/"fast.mp4", ramp(60), options={"movflags": "faststart"}).read_bytes(), ""
        content = content[:len(content)*3//4]
    elif kind.startswith("truncated "):
        where = folder/f"bad.{kind.split()[1].lower()}"
        content, words = write(folder/f"whole{where.suffix}", moving(60) if where.suffix == ".avi" else ramp(60), "mpeg4" if where.suffix == ".avi" else "libvpx-vp9" if where.suffix == ".webm" else "libx264").read_bytes(), ""
        content = content[:content.index(b"movi") + 9000 if where.suffix == ".avi" else len(content)//2]
    elif kind == "sound only":
        where = folder/"sound.mp4"
        with av.open(str(where), "w") as c:
            s, f = c.add_stream("aac", rate=8000), av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            f.rate = 8000
            c.mux(s.encode(f)); c.mux(s.encode(None))
        return where, "holds no video stream"
    else: raise AssertionError(kind)
    where.write_bytes(content)
    return where, words


broken_kinds = ("missing", "empty", "text", "picture renamed", "truncated MP4", "truncated MP4, moov at the front", "truncated MKV", "truncated WEBM", "truncated AVI", "sound only")


@pytest.mark.parametrize("kind", broken_kinds)
def test_broken_videos_are_refused(kind, tmp_path):
    path, words = rubbish(kind, tmp_path)
    refused("video", kind, path, lambda: read_frames(path), words, error=VideoError)
    for call in (probe, lambda p: probe(p, exact=False)):
        with pytest.raises(VideoError): call(path)


def test_truncated_transport_stream_is_shorter_without_a_word(tmp_path):
    "A format that stores no length cannot be told from a shorter recording: only the manifest can."
    whole = write(tmp_path/"whole.ts", ramp(60)).read_bytes()
    (tmp_path/"cut.ts").write_bytes(whole[:len(whole)*6//10//188*188])
    try: found = f"{len(read_frames(tmp_path/'cut.ts'))} of 60 frames, no error; the manifest tells"
    except VideoError as e: found = f"refused: {e.reason}"
    note("video", "truncated TS, cut between packets", found)


def test_one_frame(tmp_path, small):
    path = write(tmp_path/"still.mp4", ramp(1))
    assert read_frames(path).shape == (1, 48, 64, 3) and probe(path).n_frames == 1
    refused("video", "one frame, to be verified", path, lambda: read_clip(path, small), "got a recording of 1 frames")


def lying(path: Path, kind: str) -> None:
    "Let the headers of an MP4 claim another length."
    data, factor = bytearray(path.read_bytes()), 3 if "long" in kind else 1/3
    for box, at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"elst", 12)):
        k = data.find(box)
        if k < 0 or box == b"elst" and factor < 1: continue  # a shorter edit is an edit: those frames are not to be shown
        old = int.from_bytes(data[k + at:k + at + 4], "big")
        data[k + at:k + at + 4] = round(old*factor).to_bytes(4, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ("header claims a longer recording", "header claims a shorter recording", "sample table claims more frames"))
def test_lying_length(kind, tmp_path):
    path = write(tmp_path/"lies.mp4", ramp(30))
    if "table" in kind:
        data = bytearray(path.read_bytes())
        k = data.find(b"stts")
        data[k + 12:k + 16] = (90).to_bytes(4, "big")
        path.write_bytes(data)
    else: lying(path, kind)
    try: x = read_frames(path)
    except VideoError as e:
        assert path.name in str(e)
        note("video", kind, f"refused: {e.reason}")
    else:
        assert number(x) == list(range(30)) and probe(path).n_frames == 30
        note("video", kind, "30 frames that are there are read; the claim is ignored")


def flips(path: Path, ranges: list, n: int, seed: int, bits: int = 1) -> dict:
    "Flip bits of a file n times; how often it is refused, unchanged, or wrong without an error (and then found by the manifest)."
    good, rng = path.read_bytes(), np.random.default_rng(seed)
    intact = read_frames(path)
    counts = dict(refused=0, unchanged=0, silent=0)
    places = np.concatenate([np.arange(a, b) for a, b in ranges])
    for _ in range(n):
        data = bytearray(good)
        for at in rng.choice(places, bits): data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try: x = read_frames(path)
        except VideoError as e:
            assert str(path) in str(e)
            counts["refused"] += 1
            continue
        same = x.shape == intact.shape and np.array_equal(x, intact)
        counts["unchanged" if same else "silent"] += 1
        if not same: assert [*wrong_videos(path.parents[1], progress=False)] == ["a"]
    path.write_bytes(good)
    assert wrong_videos(path.parents[1], progress=False) == {}
    return counts


def moving(n: int = 40) -> np.ndarray:
    "Frames with something to code in every one."
    rng = np.random.default_rng(0)
    back = rng.integers(0, 200, (6, 8 + n//4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    return np.stack([back[:, 2*i:2*i + 64] for i in range(n)])


@pytest.mark.parametrize("part", ("header", "picture data", "picture data, four bits"))
def test_flipped_bits(part, tmp_path):
    path = write(tmp_path/"videos"/"a.mp4", moving())
    frames, data = read_frames(path), path.read_bytes()
    pd.DataFrame(dict(id=["a"], n_frames=[len(frames)], digest=[frames_digest(frames)])).to_csv(tmp_path/"manifest.csv", index=False)
    first, last = data.index(b"mdat") + 4, data.index(b"moov") - 4
    ranges = [(0, first), (last, len(data))] if part == "header" else [(first + 800, last)]
    n = 80 if part == "header" else 50
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = flips(path, ranges, n, 1, 4 if "four" in part else 1)
    if part == "picture data": assert counts["refused"] > 25
    if "four" in part: assert counts["refused"] > 40
    note("video", f"bit flipped, {part}", f"of {n}: {counts['refused']} refused, {counts['unchanged']} unchanged, {counts['silent']} wrong without an error, all of those found by the manifest")


# ---- batches ---------------------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def lab(tmp_path):
    "Three procedures of four videos."
    for p in ("make tea", "make coffee", "wash up"):
        for k in range(4): write(tmp_path/"lab"/p/f"take {k}.mp4", ramp(16 + k))
    return tmp_path/"lab"


def spoil(lab: Path) -> list:
    "Three bad files, one of which opens well and breaks later."
    (lab/"make tea"/"take 3.mp4").write_bytes(b"")
    (lab/"make coffee"/"notes.mp4").write_text("milk, sugar\n"*40)
    deep = lab/"wash up"/"take 9.mp4"
    data = bytearray(write(deep, moving()).read_bytes())
    at = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat"))*2//3
    data[at:at + 200] = bytes(200)
    deep.write_bytes(data)
    return [lab/"make tea"/"take 3.mp4", lab/"make coffee"/"notes.mp4", deep]


def test_a_batch_lists_all_bad_files_and_goes_on_only_if_asked(lab):
    bad, keep = spoil(lab), dict(size=(16, 16), progress=False)
    with pytest.raises(BadFiles) as caught: read_procedure_folders(lab, keep=keep)
    assert sorted(e.path for e in caught.value.bad) == sorted(bad) and all(str(p) in str(caught.value) for p in bad)
    note("batch", "three bad of fourteen videos", "refused: one error lists the three, also the one that opens and breaks later")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = read_procedure_folders(lab, keep=keep, skip_bad=True)
    assert len(data.source) == 11 and all(str(p) in str(said[-1].message) for p in bad)
    note("batch", "the same, --skip-bad", "eleven videos are used, a remark names the three")
    for k in range(3): (lab/"make tea"/f"take {k}.mp4").write_bytes(b"")
    with warnings.catch_warnings(), pytest.raises(ValueError, match="make tea with 0"):
        warnings.simplefilter("ignore")
        read_procedure_folders(lab, keep=keep, skip_bad=True)
    note("batch", "a procedure without readable videos, --skip-bad", "refused: names the procedure and its 0 videos")


def test_train_command(lab, tmp_path):
    bad = spoil(lab)
    script = "import sys; from cpa_nb.aqa_cli import main; main()"
    words = [sys.executable, "-c", script, "train", str(lab), "--out", str(tmp_path/"out"), "--steps", "2", "--size", "16", "16", "--workers", "1", "--quiet"]
    no = subprocess.run(words, capture_output=True, text=True, check=False)
    assert no.returncode == 2 and "Traceback" not in no.stderr and no.stdout == "" and not (tmp_path/"out").exists()
    assert len(no.stderr.splitlines()) == 4 and all(str(p) in no.stderr for p in bad), no.stderr
    yes = subprocess.run([*words, "--skip-bad"], capture_output=True, text=True, check=False)
    assert yes.returncode == 0 and "Traceback" not in yes.stderr and all(str(p) in yes.stderr for p in bad), yes.stderr
    note("batch", "cpa train", "exit 2 and a line for each bad file; trains with --skip-bad")


# ---- splits and pairs ------------------------------------------------------------------------------------------------------------------------
split_lines = {"too few fields": "a 1\nb\n", "too many fields": "a 1\nb 1 2\n", "empty line": "a 1\n\n", "tab": "a 1\nb\t1\n", "duplicate": "a 1\na 1\n", "video in two procedures": "a 1\na 2\n",
               "byte order mark": "\ufeffa 1\n", "CRLF": "a 1\nb 1\r\n", "unknown label": "a 1\nb 9\n", "not UTF-8": b"a 1\n\xe9 1\n"}
pair_lines = {"too few fields": "a 1 b 1\na 1 b\n", "one label and four paths": "1 a b c d\n", "empty line": "a 1 b 1\n\n", "duplicate pair": "a 1 b 1\na 1 b 1\n",
              "duplicate pair, turned": "a 1 b 1\nb 1 a 1\n", "video with itself": "a 1 a 1\n", "byte order mark": "\ufeffa 1 b 1\n", "CRLF": "a 1 b 1\r\n",
              "unknown video": "a 1 x 1\n", "another label than in the split": "a 1 b 2\n", "unknown label": "a 1 b 9\n"}


@pytest.mark.parametrize("kind", split_lines)
def test_split_lines(kind, tmp_path):
    text = split_lines[kind]
    (path := tmp_path/"train_split.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    line = 1 if kind == "byte order mark" else 2
    refused("split", kind, path, lambda: parse_split(path, {"1", "2"}), f"line {line}:")


@pytest.mark.parametrize("kind", pair_lines)
def test_pair_lines(kind, tmp_path):
    text = pair_lines[kind]
    (path := tmp_path/"test_pairs.txt").write_bytes(text.encode())
    refused("pairs", kind, path, lambda: parse_pairs(path, {"a": "1", "b": "1", "c": "2"}), f"line {text.count(chr(10))}:")


def test_published_lists_parse():
    if "CPA_DATA" not in os.environ: pytest.skip("CPA_DATA is not set")
    folder, n = Path(os.environ["CPA_DATA"])/"svip", dict(files=0, lines=0)
    for path in sorted(folder.glob("*/*_split.txt")) + sorted(folder.glob("*/*_pairs.txt")):
        table = (parse_split if "split" in path.name else parse_pairs)(path)
        lines = path.read_text().splitlines()
        assert len(table) == len(lines)
        n["files"] += 1; n["lines"] += len(lines)
    for name in ("CSV", "COIN-SV", "DIVING48-SV"): assert read_sv(folder/name, backend=None).label_bank
    assert n["files"] == 16
    note("split", "all published lists", f"{n['files']} files, {n['lines']} lines, every line parsed")


csv_rows = {"wrong value": "a.mp4,b.mp4,yes\n", "too few fields": "a.mp4,b.mp4\n", "too many fields": "a.mp4,b.mp4,1\na.mp4,b.mp4,1,1\n", "missing file": "a.mp4,x.mp4,1\n", "duplicate pair": "a.mp4,b.mp4,1\nb.mp4,a.mp4,0\n"}


@pytest.mark.parametrize("kind", csv_rows)
def test_judged_pairs(kind, tmp_path):
    for n in "ab": (tmp_path/f"{n}.mp4").write_bytes(b"")
    (path := tmp_path/"judged.csv").write_text("a,b,same\n" + csv_rows[kind])
    refused("judged pairs", kind, path, lambda: read_pairs_csv(path), f"line {1 + csv_rows[kind].count(chr(10))}")


def test_judged_pairs_from_a_spreadsheet(tmp_path):
    for n in "ab": (tmp_path/f"{n}.mp4").write_bytes(b"")
    (path := tmp_path/"judged.csv").write_bytes("\ufeffa,b,same\r\na.mp4,b.mp4,1\r\n\r\n".encode())
    assert read_pairs_csv(path).same.tolist() == [True]
    note("judged pairs", "BOM, CRLF and empty line of a spreadsheet", "read right")


# ---- features --------------------------------------------------------------------------------------------------------------------------------
good_features = np.random.default_rng(0).normal(size=(12, 4))
feature_kinds = {"NaN": (3, np.nan, "NaN, infinite"), "infinity": (5, np.inf, "first those of frame 5"), "too large for float32": (0, 1e300, "too large")}


@pytest.mark.parametrize("kind", feature_kinds)
def test_bad_numbers(kind, tmp_path):
    row, value, words = feature_kinds[kind]
    x = good_features.copy()
    x[row, 2] = value
    np.save(path := tmp_path/"x.npy", x)
    refused("features", kind, path, lambda: read_features(path), words, error=VideoError)
    with pytest.raises(BadFiles, match="x.npy"): cached(FeatureSource(tmp_path), progress=False)


@pytest.mark.parametrize("kind", ("empty file", "no frames", "no columns", "one axis", "three axes", "text", "objects", "cut off", "archive"))
def test_no_features(kind, tmp_path):
    path = tmp_path/"x.npy"
    made = {"no frames": np.zeros((0, 4)), "no columns": np.zeros((4, 0)), "one axis": np.zeros(4), "three axes": np.zeros((4, 4, 4)), "text": np.array([["a"]]), "objects": np.array([[{}]], dtype=object)}
    if kind == "empty file": path.write_bytes(b"")
    elif kind == "archive":
        with path.open("wb") as f: np.savez(f, a=good_features)
    elif kind == "cut off":
        np.save(path, good_features)
        path.write_bytes(path.read_bytes()[:-40])
    else: np.save(path, made[kind], allow_pickle=True)
    refused("features", kind, path, lambda: read_features(path), error=VideoError)
    with pytest.raises(VideoError): FeatureSource(tmp_path).n_frames("x")


def test_half_precision(tmp_path):
    np.save(tmp_path/"x.npy", good_features.astype(np.float16))
    x = read_features(tmp_path/"x.npy")
    assert x.dtype == np.float32 and np.array_equal(x, good_features.astype(np.float16).astype(np.float32))
    note("features", "float16", "read right, as float32")


def test_wrong_width(tmp_path, small_features):
    np.save(tmp_path/"a.npy", good_features); np.save(path := tmp_path/"b.npy", good_features[:, :3])
    refused("features", "wrong width in a set", path, lambda: FeatureSource(tmp_path).load("b"), "has 3 features a frame; a.npy has 4", error=VideoError)
    refused("features", "wrong width for the checkpoint", path, lambda: read_clip(path, small_features), "need 4 features a frame; got 3")


def test_fewer_frames_than_steps(tmp_path, small_features):
    np.save(path := tmp_path/"short.npy", good_features[:3])
    refused("features", "fewer frames than steps (T < K)", path, lambda: read_clip(path, small_features), "need a frame for each of the model's 4 steps")


# ---- checkpoints -----------------------------------------------------------------------------------------------------------------------------
cfg = CPAConfig(n_frames=6, n_steps=4, dim=8)


def checkpoint(shape: tuple) -> Checkpoint:
    "An untrained model."
    return Checkpoint(build_cpa(cfg, shape, 2, seed=0).eval(), cfg, ["a", "b"], shape, None, None, dict(steps=3))


@pytest.fixture(scope="module")
def small(): return checkpoint((16, 16, 3))


@pytest.fixture(scope="module")
def small_features(): return checkpoint((4,))


def resigned(folder: Path, **change) -> None:
    "Write a pointer that vouches for the weights as they are now."
    import hashlib
    meta = json.loads((folder/"model.json").read_text())
    meta["sha256"] = hashlib.sha256((folder/meta["weights"]).read_bytes()).hexdigest()
    (folder/"model.json").write_text(json.dumps(meta | change))


checkpoint_kinds = ("weights truncated", "weights truncated, digest made to fit", "one bit flipped", "weights empty", "weights missing", "model.json truncated", "model.json empty", "another version",
                    "NaN weights", "pickle instead of safetensors", "pickle, digest made to fit", "shape mismatch", "a tensor missing", "unknown setting", "digest missing")


@pytest.mark.parametrize("kind", checkpoint_kinds)
def test_checkpoints(kind, tmp_path, small_features):
    folder = tmp_path/"model"
    save_checkpoint(folder, small_features)
    assert load_checkpoint(folder).classes == ["a", "b"]
    weights, pointer = next(folder.glob("*.safetensors")), folder/"model.json"
    data, tensors = weights.read_bytes(), load_file(weights)
    name = next(k for k, v in tensors.items() if v.ndim == 2)
    named = pointer if kind.startswith("model.json") or kind in ("another version", "digest missing") else folder if kind in ("NaN weights", "shape mismatch", "a tensor missing", "unknown setting") else weights
    class Evil:
        def __reduce__(self): return (os.mkdir, (str(tmp_path/"executed"),))
    if "truncated" in kind and kind.startswith("weights"): weights.write_bytes(data[:-50])
    elif kind == "one bit flipped": weights.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif kind == "weights empty": weights.write_bytes(b"")
    elif kind == "weights missing": weights.unlink()
    elif kind == "model.json truncated": pointer.write_text(pointer.read_text()[:60])
    elif kind == "model.json empty": pointer.write_text("")
    elif kind == "another version": resigned(folder, version=2)
    elif kind == "digest missing": resigned(folder, sha256=None)
    elif kind == "unknown setting": resigned(folder, config=json.loads(pointer.read_text())["config"] | {"n_stairs": 3})
    elif kind.startswith("pickle"): weights.write_bytes(pickle.dumps(Evil()))
    elif kind == "a tensor missing": save_file({k: v for k, v in tensors.items() if k != name}, weights)
    else: save_file(tensors | {name: torch.full_like(tensors[name], float("nan")) if "NaN" in kind else tensors[name][:, :-1].contiguous()}, weights)
    if kind in ("weights truncated, digest made to fit", "NaN weights", "pickle, digest made to fit", "shape mismatch", "a tensor missing"): resigned(folder)
    refused("checkpoint", kind, named, lambda: load_checkpoint(folder))
    assert not (tmp_path/"executed").exists()


# ---- training --------------------------------------------------------------------------------------------------------------------------------
loop = TrainConfig(steps=6, steps_per_epoch=2, batch=3)


def learn(data, folder: Path, batches=None):
    "A few steps on a set of videos of 16 by 16; digest of the last state."
    torch.set_num_threads(1)
    model = build_cpa(cfg, data.frame_shape, len(data.classes), seed=0)
    fit(model, batches or pair_batches(data, cfg.n_frames, loop.batch, 0), loop, folder, progress=False)
    return load_state(folder)[1]


def test_unreadable_video_in_epoch_three(lab, tmp_path):
    data = read_procedure_folders(lab, val_fraction=0, size=(16, 16))
    calm = learn(data, tmp_path/"calm")
    files = [data.source.find(i) for i in data.source.ids]
    contents = {f: f.read_bytes() for f in files}
    batches = pair_batches(data, cfg.n_frames, loop.batch, 0)
    def spoiled(step):
        if step == 5:
            for f in files: f.write_bytes(contents[f][:200])
        return batches(step)
    with pytest.raises(VideoError) as caught: learn(data, tmp_path/"run", spoiled)
    assert caught.value.path in files and load_state(tmp_path/"run")[1]["step"] == 4
    for f, content in contents.items(): f.write_bytes(content)
    assert learn(data, tmp_path/"run")["sha256"] == calm["sha256"]
    note("training", "unreadable video in epoch 3", "refused: names the file; two epochs are kept; repaired and started again the same weights, bit for bit")


def test_loss_that_is_not_a_number(lab, tmp_path):
    data = read_procedure_folders(lab, val_fraction=0, keep=dict(size=(16, 16), progress=False))
    calm, batches, bad = learn(data, tmp_path/"calm"), pair_batches(data, cfg.n_frames, loop.batch, 0), True
    def poisoned(step):
        b = batches(step)
        return b._replace(x1=b.x1.float()*float("nan")) if bad and step == 4 else b
    for _ in range(2):
        with pytest.raises((FloatingPointError, ValueError), match="at step 4"): learn(data, tmp_path/"run", poisoned)
        assert load_state(tmp_path/"run")[1]["step"] == 4
    bad = False
    assert learn(data, tmp_path/"run", poisoned)["sha256"] == calm["sha256"]
    note("training", "loss NaN", "refused: names the step; the weights before it are kept; with finite numbers it goes on to the same weights")


deaths = '''
import os, resource, signal, sys
from pathlib import Path
import numpy as np, torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from cpa_nb import training
from cpa_nb.model import Batch

class Line(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(64, 64)
    def losses(self, batch): return dict(near=(self.layer(batch.x1 + torch.randn_like(batch.x1)) - batch.x2).square().mean())

def batch(step):
    if step == kill_step: os.kill(os.getpid(), signal.SIGKILL)
    x = torch.from_numpy(np.random.default_rng([1, step]).normal(size=(2, 4, 64)).astype(np.float32))
    return Batch(x[0], x[1], torch.arange(4))

def run(folder, die_at=None, half=False, step=None, room=None):
    "Train in a process of its own; its exit status."
    global kill_step
    kill_step = step
    child = os.fork()
    if child: return os.waitpid(child, 0)[1]
    try:
        torch.set_num_threads(1)
        real, count = training._swing, iter(range(1000))
        def swing(part, path):
            if next(count) == die_at:
                if half: os.truncate(part, part.stat().st_size//2)
                else: real(part, path)
                os.kill(os.getpid(), signal.SIGKILL)
            real(part, path)
        training._swing = swing
        if room: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        training.fit(Line(), batch, training.TrainConfig(steps=6, steps_per_epoch=2), folder, lambda m: float(m.layer.bias.detach().sum()), progress=False)
        os._exit(0)
    except OSError as e:
        print("full:", str(e).replace(str(folder), "."), flush=True)
        os._exit(7)
    except BaseException as e:
        print(type(e), e, flush=True)
        os._exit(9)

def files(folder): return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")}
root = Path(sys.argv[1])
kill_step = None
torch.set_num_threads(1)
training.fit(Line(), batch, training.TrainConfig(steps=6, steps_per_epoch=2), root/"calm", lambda m: float(m.layer.bias.detach().sum()), progress=False)
calm, n = files(root/"calm"), 0
for half in (True, False):
    for at in range(not half, 100, 3):
        folder = root/f"{half}-{at}"
        status = run(folder, at, half)
        if status == 0: break
        assert status == signal.SIGKILL, status
        assert run(folder) == 0 and files(folder) == calm, (half, at)
        n += 1
print("saves", n, flush=True)
for step in (1, 5):
    assert run(root/f"step {step}", step=step) == signal.SIGKILL
    assert run(root/f"step {step}") == 0 and files(root/f"step {step}") == calm
print("epochs 2", flush=True)
full = root/"full"
assert run(full, step=3) == signal.SIGKILL
before = files(full)
assert os.waitstatus_to_exitcode(run(full, room=40_000)) == 7
kept = training.load_state(full)[1]["step"]
assert kept == 2 and files(full)["last.json"] == before["last.json"]
assert run(full) == 0 and files(full) == calm
print("space made", flush=True)
'''


def test_killed_anywhere_and_disk_full(repo, tmp_path):
    "Real processes, really killed with SIGKILL, in the middle of an epoch and around every file that is written; a file system that takes no more."
    env = {**os.environ, "PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", deaths, str(tmp_path)], capture_output=True, text=True, env=env, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert int(lines["saves"]) >= 6 and lines["epochs"] == "2" and lines["space"] == "made" and "safetensors" in lines["full:"]
    note("training", "kill -9 in the middle of an epoch", f"{lines['epochs']} places: started again, every file the same, byte for byte")
    note("training", "kill -9 in the middle of a save", f"{lines['saves']} places: started again, every file the same, byte for byte")
    note("training", "disk full", f"refused: {lines['full:']}; with room the same files, byte for byte")


def main() -> int:
    "Run the tests and print what happened to each kind of file."
    class Table:
        def pytest_terminal_summary(self, terminalreporter):
            wide = max((len(k) for _, k, _ in outcomes), default=0)
            for group, kind, what in outcomes: terminalreporter.write_line(f"{group:<13}{kind:<{wide}}  {what}")
            terminalreporter.write_line(f"{len(outcomes)} kinds of files")
    sys.modules["test_files"] = sys.modules["__main__"]
    return pytest.main([__file__, "-q", "--no-header", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Table()])


if __name__ == "__main__": sys.exit(main())
