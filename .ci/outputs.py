"Re-execute chapters and keep their outputs: `python .ci/outputs.py [nbs/02_step_mining.ipynb ...]` (all by default)."
import base64
import io
import os
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[1]
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"): os.environ.setdefault(name, "1")
os.environ["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
sys.path.insert(0, str(root))

from execnb.nbio import read_nb, write_nb  # noqa: E402
from execnb.shell import CaptureShell  # noqa: E402
from fastcore.xtras import working_directory  # noqa: E402
from nbdev.clean import clean_nb  # noqa: E402
from PIL import Image  # noqa: E402

skipped_flags = ("slow", "cuda", "notest")


def directives(cell) -> set:
    "The `#|` words at the top of a cell."
    words = set()
    for line in cell.source.splitlines():
        if not line.strip().startswith("#|"): break
        words.add(line.strip()[2:].strip())
    return words


def skipped(cell) -> bool:
    "True where the flags say that a plain run leaves the cell alone."
    flags = directives(cell)
    return "eval: false" in flags or any(f.split()[0] in skipped_flags for f in flags if f)


def small_picture(png: str) -> str:
    "The same picture with at most 256 colours: drawings lose nothing that can be seen, and a notebook stays small."
    raw = base64.b64decode(png)
    picture, out = Image.open(io.BytesIO(raw)).convert("RGB"), io.BytesIO()
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(min(raw, out.getvalue(), key=len)).decode()


def shrink(cell) -> None:
    "Make the kept pictures of a cell small."
    for o in cell.outputs:
        data = o.get("data", {})
        if "image/png" in data: data["image/png"] = small_picture("".join(data["image/png"]))


def execute(path: Path) -> bool:
    "Run one notebook from a fresh shell, write it back with its outputs, cleaned."
    nb = read_nb(path)
    shell = CaptureShell()
    ok = True
    with working_directory(path.parent):
        for cell in nb.cells:
            if cell.cell_type != "code" or skipped(cell): continue
            cell.outputs = []
            if not cell.source.strip(): continue
            shell.cell(cell)
            shrink(cell)
            bad = [o for o in cell.outputs if o.get("output_type") == "error"]
            if bad:
                print(f"{path.name}: {bad[0].get('ename')}: {bad[0].get('evalue')}\n--- in ---\n{cell.source[:400]}", file=sys.stderr)
                ok = False
                break
    if ok:
        clean_nb(nb)
        write_nb(nb, path)
    return ok


def one_process(paths: list) -> int:
    "Each notebook in a process of its own, so that seeds, threads and memory do not leak."
    import subprocess
    bad = 0
    for path in paths:
        done = subprocess.run([sys.executable, __file__, "--one", str(path)], check=False)
        print(("ok   " if done.returncode == 0 else "FAIL ") + path.name)
        bad += done.returncode != 0
    return bad


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]: sys.exit(0 if execute(Path(sys.argv[2]).resolve()) else 1)
    chosen = [Path(a).resolve() for a in sys.argv[1:]] or sorted((root / "nbs").glob("*.ipynb"))
    sys.exit(1 if one_process(chosen) else 0)
