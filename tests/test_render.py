"Rendering that is killed goes on where it stopped and ends with the same data set."
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

root = Path(__file__).resolve().parents[1]
script = """
import sys
from cpa_nb.data.synthetic import WorldConfig, render_world
if __name__ == "__main__":
    config = WorldConfig(train=(1, 5, 4), val=(0, 8, 2), test=(1, 8, 3), frames=(40, 50))
    render_world(sys.argv[1], config, seed=3, workers=int(sys.argv[2]), progress=False)
"""


def start(tmp_path, folder, workers):
    "A process of its own that renders a small set."
    program = tmp_path / "render.py"
    program.write_text(script)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(program), str(folder), str(workers)], env=env, start_new_session=True)


def digests(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(folder).rglob("*") if p.is_file()}


def killed_after(tmp_path, folder, workers, lines):
    "Kill the whole group once the journal holds that many videos; how many there were."
    process, journal = start(tmp_path, folder, workers), folder / "journal.jsonl"
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
        assert process.poll() is None, "finished or failed before it could be killed"
        time.sleep(.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return journal.read_bytes().count(b"\n")


def test_killed_rendering_goes_on(tmp_path):
    assert start(tmp_path, tmp_path / "whole", 1).wait(300) == 0
    for workers in (1, 2):
        folder = tmp_path / f"killed{workers}"
        done = killed_after(tmp_path, folder, workers, 6)
        assert 6 <= done < 44
        assert not (folder / "manifest.csv").exists()
        assert start(tmp_path, folder, workers).wait(300) == 0
        assert {n: d for n, d in digests(folder).items() if not n.endswith(".part")} == digests(tmp_path / "whole")
