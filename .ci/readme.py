"Chapter table of nbs/index.ipynb from the chapters' titles and claims, and README.md from the index: `python .ci/readme.py [--check]`."
import json
import re
import sys
from pathlib import Path

from nbconvert import MarkdownExporter
from nbformat import reads

begin, end = "<!-- chapters -->", "<!-- end of chapters -->"


def chapter_row(path: Path) -> str:
    "One table row: number, linked title, module, claim."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    head = "".join(cells[0]["source"]).strip().splitlines() if cells else []
    title = next((line[2:].strip() for line in head if line.startswith("# ")), path.stem)
    claim = " ".join(line.lstrip("> ").strip() for line in head if line.startswith(">"))
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    module = re.search(r"^#\|\s*default_exp\s+(\S+)", code, re.M)
    return f"| {path.stem[:2]} | [{title}]({path.name}) | {f'`{module[1]}`' if module else ''} | {claim} |".replace("  |", " |")


def chapter_table(nbs: Path) -> str:
    "The table of contents, in the order of the folder."
    rows = [chapter_row(p) for p in sorted(nbs.glob("[0-9][0-9]_*.ipynb"))]
    return "\n".join(["| | chapter | module | says |", "|---|---|---|---|", *rows])


def index_text(root: Path) -> str:
    "nbs/index.ipynb as it should read: the same notebook with the chapter table brought up to date."
    text = (root / "nbs" / "index.ipynb").read_text(encoding="utf-8")
    nb = json.loads(text)
    found = 0
    for cell in nb["cells"]:
        source = "".join(cell["source"])
        if begin not in source: continue
        head, rest = source.split(begin, 1)
        cell["source"] = (head + begin + "\n" + chapter_table(root / "nbs") + "\n" + end + rest.split(end, 1)[1]).splitlines(keepends=True)
        found += 1
    if found != 1: raise ValueError(f"readme: need one cell with {begin} in nbs/index.ipynb; got {found}")
    return json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def readme_files(root: Path, index: str) -> dict:
    "README.md and the pictures it shows, as {path relative to root: bytes}."
    nb = reads(index, as_version=4)
    nb.metadata["language_info"] = {"name": "python"}  # names the language of the code fences
    body, resources = MarkdownExporter().from_notebook_node(nb)
    files = {}
    for i, (name, data) in enumerate(resources.get("outputs", {}).items(), 1):
        picture = f"docs/images/index_{i}{Path(name).suffix}"
        files[picture] = data
        body = body.replace(f"![png]({name})", f"![what the code above draws]({picture})")
    body = re.sub(r"^#\|.*\n", "", body, flags=re.M)  # directives are for nbdev, not for readers
    body = re.sub(r"^<!-- (end of )?chapters -->\n", "", body, flags=re.M)
    body = re.sub(r"\]\((\d\d_\w+\.ipynb)", r"](nbs/\1", body).replace("](../", "](")
    body = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", body, flags=re.M)).strip() + "\n"
    files["README.md"] = b"<!-- made from nbs/index.ipynb by .ci/readme.py: edit the notebook -->\n\n" + body.encode()
    return files


def stale(root: Path) -> list:
    "Paths whose content is not what the notebooks say."
    index = index_text(root)
    wanted = {"nbs/index.ipynb": index.encode(), **readme_files(root, index)}
    extra = [p.relative_to(root).as_posix() for p in (root / "docs" / "images").glob("index_*")]
    return [p for p, data in wanted.items() if not (root / p).exists() or (root / p).read_bytes() != data] + [p for p in extra if p not in wanted]


def write(root: Path) -> list:
    "Bring index and README up to date; the paths that changed."
    changed = stale(root)
    index = index_text(root)
    for p in (root / "docs" / "images").glob("index_*"): p.unlink()
    for p, data in {"nbs/index.ipynb": index.encode(), **readme_files(root, index)}.items():
        (root / p).parent.mkdir(parents=True, exist_ok=True)
        (root / p).write_bytes(data)
    return changed


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    if "--check" in sys.argv[1:]:
        out = stale(here)
        for p in out: print(f"out of date: {p}; run make readme")
        sys.exit(1 if out else 0)
    print("\n".join(f"wrote {p}" for p in write(here)) or "nothing to do")
