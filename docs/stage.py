"""What Sphinx reads, made from the notebooks and the package: `python docs/stage.py FOLDER [--root REPOSITORY]`.

Nothing is executed: chapters keep the outputs they are stored with. Every notebook under nbs/ must come out, or this fails."""
import argparse
import ast
import json
import re
import sys
from configparser import ConfigParser
from itertools import groupby
from pathlib import Path
from shutil import copy2, copytree, rmtree

import api

here = Path(__file__).resolve().parent
captions = {"0": "Recursions", "1": "Data", "2": "Models", "3": "Evaluation", "4": "Experiments and verdicts", "5": "Use", "6": "Use", "7": "Tables and figures", "8": "Before you film"}
unshown = {"default_exp", "export", "exporti", "exports", "slow", "cuda", "notest", "eval"}  # directives that readers need not see
apart = re.compile(r"(^```.*?^```|^#.*?$|`[^`\n]+`|\[[^\]]*\]\([^)]*\)|\$\$.*?\$\$|\$[^$]*\$)", re.M | re.S)  # code, headings, links, formulas


def directives(cell: dict) -> tuple:
    "The `#|` words at the top of a cell, and the rest of it."
    lines, words = "".join(cell["source"]).splitlines(), []
    while lines and lines[0].strip().startswith("#|"): words.append(lines.pop(0).strip()[2:].split()[0].rstrip(":"))
    return words, "\n".join(lines).strip("\n")


def linked(text: str, chapters: dict, names: dict) -> str:
    "Prose with links: `chapter 02` to that chapter, a function or class in backticks to where the API page describes it."
    link = lambda number, words: f"[{words}]({chapters[number]}.ipynb)" if number in chapters else words  # noqa: E731
    parts = apart.split(text)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            part = re.sub(r"\b[Cc]hapters?\s(\d\d)\b", lambda m: link(m[1], m[0]), part)
            parts[i] = re.sub(r"(?<=\.ipynb\) )(and|to) (\d\d)\b", lambda m: f"{m[1]} {link(m[2], m[2])}", part)
        elif part[0] == "`" and (name := part.strip("`")) in names: parts[i] = f"{{py:obj}}`{name} <{names[name]}>`"
        elif part[0] == "[": parts[i] = part.replace("](../", "](")
    return "".join(parts)


def staged(nb: dict, stem: str, chapters: dict, names: dict, made: set) -> dict:
    "One notebook as the site shows it: its number in the title, no directives, no hidden cells, an anchor where a public name is made."
    cells = []
    for i, cell in enumerate(nb["cells"]):
        if cell["cell_type"] == "code":
            words, code = directives(cell)
            if unknown := set(words) - unshown - {"hide"}:
                raise ValueError(f"stage: need directives that docs/stage.py knows how to show; got {', '.join(sorted(unknown))} in {stem} cell {i}; add it there")
            if "hide" in words or not code: continue
            if cell["id"] in made: cells.append(dict(cell_type="markdown", id=f"at-{cell['id']}", metadata={}, source=f"({api.anchor(stem, cell['id'])})="))
            cells.append({**cell, "source": code, "metadata": {"tags": [w for w in words if w in ("export", "slow", "cuda")]}})
        else:
            text = linked("".join(cell["source"]), chapters, names)
            cells.append({**cell, "source": re.sub(r"^# ", f"# {stem[:2]} · ", text) if i == 0 and stem in chapters.values() else text})
    return {**nb, "cells": cells}


def contents(stems: list, pages: list) -> dict:
    "The sidebar, as a cell of the index: chapters by decade, then the pages beside them."
    if odd := [s for s in stems if s[0] not in captions]: raise ValueError(f"stage: need a caption for every decade; got none for {', '.join(odd)}; add it to docs/stage.py")
    groups = [*((c, list(g)) for c, g in groupby(stems, lambda s: captions[s[0]])), ("Reference", pages)]
    text = "\n\n".join("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *group, "```"]) for caption, group in groups)
    return dict(cell_type="markdown", id="contents", metadata={}, source=text)


def linked_files(nb: dict) -> list:
    "Files of the repository that a notebook links to or shows."
    text = "\n".join("".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "markdown")
    return sorted(set(re.findall(r"\]\(\.\./([^)#\s]+)", text)))


def lazy_names(lib: Path) -> dict:
    "{name: module} of what the package itself offers."
    top = ast.parse((lib / "__init__.py").read_text(encoding="utf-8"))
    return next((ast.literal_eval(n.value) for n in top.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "_lazy"), {})


def stage(root: Path, dest: Path) -> str:
    "Write the project that Sphinx builds; a line that says what it holds."
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(root / "settings.ini", encoding="utf-8")
    cfg, lib = parser["DEFAULT"], root / parser["DEFAULT"]["lib_path"]
    books = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted((root / cfg["nbs_path"]).glob("*.ipynb"))}
    stems = [s for s in books if s != "index"]
    chapters = {s[:2]: s for s in stems}
    titles = {s: f"{s[:2]} · " + "".join(books[s]["cells"][0]["source"]).splitlines()[0].lstrip("# ") for s in stems}
    found = [n for p in sorted(lib.rglob("*.py")) if p.name not in ("__init__.py", "_modidx.py") for n in api.names_of(p, lib)]
    found.sort(key=lambda n: n.chapter)
    full = [(n.name, f"{cfg['lib_name']}.{n.module}.{n.name}") for n in found if not isinstance(n.node, (ast.Assign, ast.AnnAssign))]
    names = {name: where for name, where in full if [n for n, _ in full].count(name) == 1 and name != "cpa"}  # that is the command
    if dest.exists() and any(dest.iterdir()) and not (dest / "conf.py").exists(): raise ValueError(f"stage: need a new folder or one that was staged before; got {dest}; name another")
    if dest.exists(): rmtree(dest)
    copytree(here / "_static", dest / "_static")
    for path in (here / "conf.py", root / "settings.ini"): copy2(path, dest)
    files = sorted({name for nb in books.values() for name in linked_files(nb)})
    for name in files:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        copy2(root / name, dest / name)
    pages = ["api", *(name.removesuffix(".md") for name in files if name.endswith(".md"))]
    for stem, nb in books.items():
        own = {n.name: f"{cfg['lib_name']}.{n.module}.{n.name}" for n in found if n.chapter == stem}
        new = staged(nb, stem, chapters, names | own, {n.cell for n in found if n.chapter == stem})
        if stem == "index": new["cells"].append(contents(stems, pages))
        (dest / f"{stem}.ipynb").write_text(json.dumps(new, ensure_ascii=False), encoding="utf-8")
    (dest / "api.md").write_text(api.page(found, cfg["lib_name"], titles, lazy_names(lib)), encoding="utf-8")
    if lost := books.keys() ^ {p.stem for p in dest.glob("*.ipynb")}: raise ValueError(f"stage: need every notebook on the site; got {', '.join(sorted(lost))} on one side only")
    return f"{len(stems)} chapters, {len(found)} public names"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, metavar="FOLDER", help="made anew")
    parser.add_argument("--root", type=Path, default=here.parent, help="repository (default: this one)")
    args = parser.parse_args()
    try: print(stage(args.root.resolve(), args.dest.resolve()))
    except (OSError, ValueError) as e: sys.exit(str(e))
