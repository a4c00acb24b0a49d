"""Every check of this repository, each counted: `python .ci/check.py [--flags "slow cuda"] [NAME ...]` (all by default, `--list` shows them).

One line a check, `ok` or `FAIL`; the last line is the sum. Exit code 1 when anything failed. A notebook cell that cannot run because
optional data are absent prints a line starting with `skipped: `; these lines are counted as skipped."""
import argparse
import ast
import difflib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import tokenize
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path
from shutil import copy2
from typing import NamedTuple

here = Path(__file__).resolve()
one_thread = {n: "1" for n in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
slots = threading.Semaphore(2)  # programs at a time, whichever check started them


class Result(NamedTuple):
    "What one check found."
    problems: list  # lines to show; none means that all passed
    detail: str = ""  # what was looked at, for the line
    passed: int = 1
    failed: int = 0
    skipped: int = 0
    notes: tuple = ()  # lines to show even when all passed


def result(problems, detail="") -> Result:
    "A check that counts as one."
    return Result(list(problems), detail, int(not problems), int(bool(problems)))


# ---- reading the repository ----------------------------------------------------------------------------------------------------------------
def settings(root: Path) -> dict:
    "settings.ini as a dict."
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(root / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


def notebooks(root: Path) -> dict:
    "{path: parsed notebook} of all under nbs/, in order."
    paths = sorted(p for p in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    return {p: json.loads(p.read_text(encoding="utf-8")) for p in paths}


def source(cell: dict) -> str:
    "Text of a cell, however it is stored."
    return "".join(cell["source"])


def directives(cell: dict) -> dict:
    "The `#|` lines at the top of a cell: {word: rest}."
    found = {}
    for line in source(cell).splitlines():
        if not line.strip().startswith("#|"): break
        word, _, rest = line.strip()[2:].strip().partition(" ")
        found[word.rstrip(":")] = rest.strip()
    return found


def exported(cell: dict) -> bool:
    "True for a cell that ends up in the package."
    return cell["cell_type"] == "code" and bool({"export", "exporti", "exports"} & directives(cell).keys())


def tree(cell: dict):
    "Syntax tree of a cell; lines of IPython magic count as absent."
    lines = ["pass" if re.match(r"\s*[%!]", line) else line for line in source(cell).splitlines()]
    return ast.parse("\n".join(lines))


def only_imports(cell: dict) -> bool:
    "True for a cell that does nothing but import."
    body = tree(cell).body
    return bool(body) and all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body)


def copy_tree(root: Path, dest: Path) -> Path:
    "Copy what git tracks or would track; all but built folders where there is no git."
    listed = command(["git", "ls-files", "-coz", "--exclude-standard"], root)
    if listed.returncode == 0: names = [n for n in listed.stdout.split("\0") if n]
    else:
        built = re.compile(r"(^|/)(\.venv|\.git|build|dist|__pycache__|_proc|_docs|runs|\.\w+_cache|[^/]+\.egg-info)/")
        names = [n for p in sorted(root.rglob("*")) if p.is_file() and not built.search(n := p.relative_to(root).as_posix())]
    for name in names:
        if not (root / name).is_file(): continue  # deleted, not yet committed
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        copy2(root / name, dest / name)
    return dest


def command(args: list, cwd: Path, timeout=900, **env) -> subprocess.CompletedProcess:
    "Run a command with one thread, both streams in `stdout`; it waits until one of two places is free, and its time counts from then."
    full = {**{k: v for k, v in os.environ.items() if not k.startswith("GIT_")}, **one_thread, **env}  # inside a hook GIT_DIR names this repository
    try:
        with slots: return subprocess.run(args, cwd=cwd, env=full, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as e:
        text = e.stdout.decode(errors="replace") if isinstance(e.stdout, bytes) else (e.stdout or "")
        return subprocess.CompletedProcess(args, 124, text + f"\nstopped after {timeout} s")


def script(name: str) -> str:
    "Path of a console script of this interpreter's environment."
    return str(Path(sysconfig.get_path("scripts")) / name)


def changes(before: dict, after: dict) -> list:
    "What differs between two {name: bytes}, as a short unified diff."
    lines = []
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        if a == b: continue
        if a is None or b is None: lines.append(f"{name}: {'missing' if a is None else 'nothing makes it'}")
        else: lines += [f"{name} differs:", *list(difflib.unified_diff(*(t.decode(errors="replace").splitlines() for t in (a, b)), lineterm="", n=1))[2:14]]
    return lines


# ---- checks ---------------------------------------------------------------------------------------------------------------------------------
def check_export(root: Path) -> Result:
    "The package is what the notebooks export."
    lib = settings(root)["lib_path"]
    with tempfile.TemporaryDirectory() as tmp:
        copy = copy_tree(root, Path(tmp).resolve())
        read = lambda: {p.relative_to(copy).as_posix(): p.read_bytes() for p in sorted((copy / lib).rglob("*.py"))}  # noqa: E731
        before = read()
        for name, data in before.items():  # made anew below: a module without a notebook stays away
            if b"AUTOGENERATED" in data[:200] or name.endswith("_modidx.py"): (copy / name).unlink()
        done = command([script("nbdev_export")], copy, PYTHONPATH=str(copy))
        if done.returncode: return result([f"nbdev_export failed: {done.stdout}"])
        return result(changes(before, read()), f"{len(before)} files")


def check_clean(root: Path) -> Result:
    "Notebooks are stored without volatile metadata."
    with tempfile.TemporaryDirectory() as tmp:
        copy = copy_tree(root, Path(tmp).resolve())
        read = lambda: {p.name: p.read_bytes() for p in notebooks(copy)}  # noqa: E731
        before = read()
        done = command([script("nbdev_clean")], copy, PYTHONPATH=str(copy))
        if done.returncode: return result([f"nbdev_clean failed: {done.stdout}"])
        return result(changes(before, read()), f"{len(before)} notebooks")


max_cells, max_bytes = 80, 500_000
imports_plotting = {"assessment", "experiments", "figures", "report"}


def modules(books: dict) -> dict:
    "{module: chapter number} of everything exported."
    found = {}
    for path, nb in books.items():
        for cell in nb["cells"]:
            words = directives(cell) if cell["cell_type"] == "code" else {}
            for name in (words.get("default_exp"), words.get("export")):
                if name: found.setdefault(name.split()[0], path.stem[:2])
    return found


def imported(node, lib: str, known: dict):
    "Modules of the package that one import statement names (dotted, without the package)."
    if isinstance(node, ast.Import): return [a.name[len(lib) + 1:] for a in node.names if a.name.split(".")[0] == lib]
    if not isinstance(node, ast.ImportFrom): return []
    module = node.module or ""
    if node.level == 0 and module.split(".")[0] != lib: return []
    base = module if node.level else module[len(lib) + 1:]
    inside = [".".join(filter(None, (base, a.name))) for a in node.names]
    return [name if name in known else base for name in inside]


def layer_problems(path: Path, nb: dict, known: dict, lib: str) -> list:
    "Imports of exported cells that do not go downward."
    number, own = path.stem[:2], next((d.split()[0] for c in nb["cells"] if c["cell_type"] == "code" and (d := directives(c).get("default_exp"))), "")
    bad = []
    for i, cell in enumerate(nb["cells"]):
        if not exported(cell): continue
        for name in [m for node in ast.walk(tree(cell)) for m in imported(node, lib, known)]:
            where = f"{path.name} cell {i}: imports {name or lib}"
            if name not in known: bad.append(f"{where}, which no chapter exports; import from the chapter's module")
            elif known[name] >= number and name != own: bad.append(f"{where} of chapter {known[name]}; only lower numbers")
            elif name == "plotting" and own not in imports_plotting: bad.append(f"{where}; only {' and '.join(sorted(imports_plotting))} draw in exported cells")
    return bad


def form_problems(path: Path, nb: dict, size: int) -> list:
    "Title cell, size, and exported cells in a row."
    cells, bad = nb["cells"], []
    if not re.fullmatch(r"index|\d\d_[a-z0-9_]+", path.stem): bad.append("name is not NN_words")
    if path.parent.name != "nbs": bad.append("is in a subfolder; chapters are flat")
    if len(cells) > max_cells: bad.append(f"{len(cells)} cells, at most {max_cells}")
    if size > max_bytes: bad.append(f"{size} bytes, at most {max_bytes}")
    head = [line for line in source(cells[0]).splitlines() if line.strip()] if cells else []
    if not (cells and cells[0]["cell_type"] == "markdown" and len(head) > 1 and head[0].startswith("# ") and all(h.startswith(">") for h in head[1:])):
        bad.append("first cell is not only `# Title` and `> claim`")
    run = 0
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code" or only_imports(cell) or not source(cell).strip(): continue
        run = run + 1 if exported(cell) else 0
        if run == 3: bad.append(f"cell {i}: third exported cell in a row; show something between")
    return [f"{path.name}: {b}" for b in bad]


def check_chapters(root: Path) -> Result:
    "Layering, form and size of every chapter."
    lib, books = settings(root)["lib_path"], notebooks(root)
    known, bad = modules(books), []
    numbers = [p.stem[:2] for p in books if p.stem != "index"]
    bad += [f"number {n} is used twice" for n in sorted({n for n in numbers if numbers.count(n) > 1})]
    for path, nb in books.items(): bad += form_problems(path, nb, path.stat().st_size) + layer_problems(path, nb, known, lib)
    return result(bad if books else ["no notebooks"], f"{len(books)} notebooks, {len(known)} modules")


machine = r"(?:(?<![\w.~:/>-])/(?:home|root|work|tmp|Users|mnt|var|private|workspace|content|github)/\w|\b[A-Z]:\\\\?\w)"
volatile = {
    "a path of this machine": re.compile(machine),
    "a memory address": re.compile(r"0x[0-9a-fA-F]{6,}"),
    "a date or clock time": re.compile(r"\b20\d\d-\d\d-\d\d\b|\b\d{1,2}:\d\d:\d\d\b"),
    "a duration or rate": re.compile(r"Wall time|CPU times|per loop|\belapsed\b|\d\s?(?:it|frames|pairs|videos|clips|matrices|MB)/s\b|s/it\b|\b\d[\d.,]*\s?(?:ms|µs|μs|ns)\b", re.I),
    "a progress bar": re.compile(r"\d+%\||[█▏▎▍▌▋▊▉]"),
    "a warning": re.compile(r"\b[A-Za-z]*Warning:"),
    "an axes repr": re.compile(r"<Axes|<matplotlib\.|\[<matplotlib"),
}


def output_texts(out: dict):
    "The texts a reader sees of one output; the fallback beside a picture is not one."
    if out["output_type"] == "stream": return ["".join(out["text"])]
    data = out.get("data", {})
    if any(k.startswith("image/") for k in data): data = {k: v for k, v in data.items() if k == "image/svg+xml"}
    return ["".join(v) for k, v in data.items() if k.startswith("text/")]


def output_problems(path: Path, nb: dict) -> list:
    "Kept outputs that a second run would not repeat, and machine paths in the text."
    bad = []
    for i, cell in enumerate(nb["cells"]):
        if re.search(machine, source(cell)): bad.append(f"cell {i}: source holds a path of this machine")
        for out in cell.get("outputs", []):
            if out["output_type"] == "error": bad.append(f"cell {i}: kept error {out.get('ename')}: {out.get('evalue')}")
            elif out.get("name") == "stderr": bad.append(f"cell {i}: kept stderr: {''.join(out['text'])[:100].strip()}")
            elif "application/vnd.jupyter.widget-view+json" in out.get("data", {}): bad.append(f"cell {i}: kept widget; widget state is not stored")
            else: bad += [f"cell {i}: output holds {what}: {m[0]!r}" for text in output_texts(out) for what, rx in volatile.items() if (m := rx.search(text))]
    return [f"{path.name} {b}" for b in bad]


def check_outputs(root: Path) -> Result:
    "Kept outputs are deterministic and show no fault."
    books = notebooks(root)
    n = sum(len(c.get("outputs", [])) for nb in books.values() for c in nb["cells"])
    return result([b for path, nb in books.items() for b in output_problems(path, nb)], f"{n} outputs")


def check_readme(root: Path) -> Result:
    "README.md and the index's chapter table are up to date."
    done = command([sys.executable, str(root / ".ci" / "readme.py"), "--check"], root)
    return result(done.stdout.splitlines() or ["readme.py failed"] if done.returncode else [])


def comments(text: str) -> dict:
    "{line number: comment}."
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT and t.string.strip("# ")}


def parameters(fn) -> list:
    "[(name, first line, last line, node)] of a function's parameters, `self` and `cls` left out."
    a = fn.args
    plain = [*a.posonlyargs, *a.args]
    defaults = dict(zip([p.arg for p in plain][len(plain) - len(a.defaults):], a.defaults, strict=True)) | {p.arg: d for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d}
    both = [*plain, *([a.vararg] if a.vararg else []), *a.kwonlyargs, *([a.kwarg] if a.kwarg else [])]
    return [(p.arg, p.lineno, max(p.end_lineno, getattr(defaults.get(p.arg), "end_lineno", 0)), (p.annotation, defaults.get(p.arg)))
            for p in both if p.arg not in ("self", "cls")]


def helped(node) -> bool:
    "True where an expression carries a `help=`, as the options of a command do."
    return any(isinstance(n, ast.keyword) and n.arg == "help" for n in ast.walk(node))


def function_problems(fn, notes: dict, name: str, aliases: frozenset = frozenset()) -> list:
    "What an exported function does not say about itself; `aliases` are names of annotations that carry a help text."
    bad = [] if ast.get_docstring(fn) else [f"{name} has no docstring"]
    params = parameters(fn)
    last = [p[2] for p in params]
    for arg, _, stop, nodes in params:
        told = any(helped(node) or getattr(node, "id", None) in aliases for node in nodes if node)
        if not told and (stop not in notes or last.count(stop) > 1): bad.append(f"{name}: parameter {arg} has no comment of its own")
    plain = fn.returns is None or (isinstance(fn.returns, ast.Constant) and fn.returns.value is None)
    if fn.returns is None and any(isinstance(n, ast.Return) and n.value for n in ast.walk(fn)): bad.append(f"{name}: return type is missing")
    if not plain and fn.returns.end_lineno not in notes: bad.append(f"{name}: return has no comment")
    return bad


def public_names(top: ast.Module) -> list:
    "What `__all__` of a module says."
    return next((ast.literal_eval(n.value) for n in top.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])


def doc_problems(path: Path) -> list:
    "Exported names of one module without docstring, parameter or field comments."
    text = path.read_text(encoding="utf-8")
    top, notes, bad = ast.parse(text), comments(text), []
    public = public_names(top)
    aliases = frozenset(n.targets[0].id for n in top.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and helped(n.value))
    for node in top.body:
        if getattr(node, "name", None) not in public: continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)): bad += function_problems(node, notes, node.name, aliases)
        elif isinstance(node, ast.ClassDef):
            if not ast.get_docstring(node): bad.append(f"{node.name} has no docstring")
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and item.end_lineno not in notes: bad.append(f"{node.name}.{getattr(item.target, 'id', '?')} has no comment")
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and not ast.get_docstring(item): bad.append(f"{node.name}.{item.name} has no docstring")
    return [f"{path.name}: {b}" for b in bad]


def check_docs(root: Path) -> Result:
    "Every exported name is documented."
    files = modules_of(root)
    return result([b for p in files for b in doc_problems(p)], f"{len(files)} modules")


max_lines, max_kernel_lines, max_columns = 30, 40, 160


def style_problems(path: Path) -> list:
    "Functions of one module that do not fit on a screen, lines that do not fit beside a notebook's margin."
    text = path.read_text(encoding="utf-8")
    bad = [f"line {i} has {len(line)} columns, at most {max_columns}" for i, line in enumerate(text.splitlines(), 1) if len(line) > max_columns and i > 6]
    for fn in ast.walk(ast.parse(text)):
        if not isinstance(fn, ast.FunctionDef): continue
        kernel = any("jit" in ast.unparse(d) for d in fn.decorator_list)
        n, most = fn.end_lineno - fn.lineno + 1, max_kernel_lines if kernel else max_lines
        if n > most: bad.append(f"{fn.name} has {n} lines, at most {most}")
    return [f"{path.name}: {b}" for b in bad]


def modules_of(root: Path) -> list:
    "Exported modules of the package."
    return [p for p in sorted((root / settings(root)["lib_path"]).rglob("*.py")) if p.name not in ("__init__.py", "_modidx.py")]


def check_style(root: Path) -> Result:
    "Exported functions and lines are short enough to read."
    files = modules_of(root)
    return result([b for p in files for b in style_problems(p)], f"{len(files)} modules")


def run_notebook(path: Path, root: Path, flags: str) -> int:
    "Child process: one notebook by nbdev's own runner; lines `skipped: ...` of its cells go to stdout."
    import nbdev.test as nbtest
    from nbdev.config import get_config

    class Shell(nbtest.CaptureShell):
        "Hands on what cells say they skipped."
        def run(self, code, *args, **kwargs):
            "Run one cell."
            outputs = super().run(code, *args, **kwargs)
            for out in outputs:
                if out["output_type"] == "stream": print(*[t.rstrip("\n") for t in out["text"] if t.startswith("skipped: ")], sep="\n", flush=True)
            return outputs

    nbtest.CaptureShell = Shell
    ok, seconds = nbtest.test_nb(path, skip_flags=get_config().tst_flags.split(), force_flags=flags.split(), basepath=root)
    print(f"seconds: {seconds:.1f}")
    return 0 if ok else 1


def check_notebooks(root: Path, flags="", workers=2, timeout=900) -> Result:
    "Run the whole book, one process a notebook, one count a notebook."
    paths = list(notebooks(root))
    if not paths: return result(["no notebooks to test"])
    start = time.time()
    one = lambda p: command([sys.executable, str(here), "--notebook", str(p), "--root", str(root), "--flags", flags], root, timeout, PYTHONPATH=str(root))  # noqa: E731
    with ThreadPoolExecutor(workers) as pool: runs = dict(zip(paths, pool.map(one, paths), strict=True))
    bad = {p.name: r.stdout for p, r in runs.items() if r.returncode}
    skips = [f"{p.name} {line}" for p, r in runs.items() for line in r.stdout.splitlines() if line.startswith("skipped: ")]
    times = sorted(((float(m[1]), p.stem) for p, r in runs.items() if (m := re.search(r"^seconds: ([\d.]+)", r.stdout, re.M))), reverse=True)
    slow = "slowest: " + ", ".join(f"{n} {s:.1f} s" for s, n in times[:5])
    problems = [line for name, text in bad.items() for line in (f"{name}:", *text.splitlines()[-40:])]
    return Result(problems, f"{len(runs)} notebooks, {time.time() - start:.0f} s", len(runs) - len(bad), len(bad), len(skips), (slow, *skips))


def check_ruff(root: Path) -> Result:
    "Faults a linter finds, in notebooks and scripts."
    args = ["check", "--isolated", "--no-cache", "--quiet", "--output-format", "concise", "--select", "E9,F,B", "--ignore", "F403,F405,B018"]
    done = command([script("ruff"), *args, *[n for n in ("nbs", ".ci", "docs", "tests", "setup.py") if (root / n).exists()]], root)
    return result(done.stdout.splitlines() or ["ruff failed"] if done.returncode else [])


def check_mypy(root: Path) -> Result:
    "Type hints of the package."
    with tempfile.TemporaryDirectory() as tmp:
        config = Path(tmp) / "mypy.ini"  # numba's own hints refuse calls with `*args`
        config.write_text("[mypy]\nignore_missing_imports = True\n[mypy-numba.*]\nfollow_imports = skip\n")
        done = command([sys.executable, "-m", "mypy", "--config-file", str(config), "--no-error-summary", "--no-color-output", settings(root)["lib_path"]], root)
    return result(done.stdout.splitlines() or ["mypy failed"] if done.returncode else [])


inside_wheel = """
import sys; sys.path.insert(0, {target!r})
import importlib, importlib.metadata as meta, pkgutil
import {lib} as lib
heavy = {{"torch", "numba", "torchvision"}} & set(sys.modules)
assert not heavy, f"import {lib} imports {{heavy}}"
names = [m.name for m in pkgutil.walk_packages(lib.__path__, lib.__name__ + ".")]
for name in names:
    module = importlib.import_module(name)
    assert module.__file__.startswith({target!r}), f"{{name}} came from {{module.__file__}}"
dist = meta.distribution("{lib}")
assert str(dist.locate_file("")).startswith({target!r}) and dist.version == lib.__version__ == {version!r}, (dist.locate_file(""), dist.version, lib.__version__)
for entry in dist.entry_points:
    if entry.group == "console_scripts": entry.load()
print(len(names))
"""


def check_wheel(root: Path) -> Result:
    "The built wheel holds the package only, and all of it imports from there."
    cfg = settings(root)
    with tempfile.TemporaryDirectory() as tmp:
        base = Path(tmp).resolve()
        copy, wheels, target, away = (base / n for n in ("copy", "wheels", "target", "away"))
        for d in (copy, target, away): d.mkdir()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        done = command([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(copy_tree(root, copy))], away)
        if done.returncode: return result(["building failed:", *done.stdout.splitlines()[-20:]])
        (wheel,) = wheels.glob("*.whl")
        done = command([*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], away)
        if done.returncode: return result(["installing failed:", *done.stdout.splitlines()[-20:]])
        files = [p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        odd = [f for f in files if not re.match(rf"{cfg['lib_path']}/.*(\.py|py\.typed)$|{cfg['lib_name']}-[\d.]+\.dist-info/|bin/", f)]
        code = inside_wheel.format(target=str(target), lib=cfg["lib_path"], version=cfg["version"])
        done = command([sys.executable, "-I", "-c", code], away)
        bad = [f"holds {f}" for f in odd] + (done.stdout.splitlines()[-15:] if done.returncode else [])
        return result(bad, f"{wheel.name}, {wheel.stat().st_size // 1000} kB, {done.stdout.strip()} modules" if not bad else wheel.name)


loads = {"script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src", "embed": "src", "object": "data"}  # what a page fetches when opened
asked = {"stylesheet", "icon", "shortcut", "preload", "prefetch", "preconnect", "modulepreload", "manifest"}  # `rel` of a <link> that fetches
apart = {"pre", "code", "script", "style"}  # no prose in there


class Page(HTMLParser):
    "What the check wants to know of one page."
    void = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.fetched, self.links, self.sidebar, self.prose, self.open = set(), [], [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        "Note anchors and addresses."
        at = {k: v or "" for k, v in attrs}
        classes = at.get("class", "").split()
        if tag not in self.void: self.open.append((tag, tag in apart or "math" in classes, "sidebar-tree" in classes))
        if "id" in at: self.ids.add(at["id"])
        if tag in loads and loads[tag] in at: self.fetched.append(at[loads[tag]])
        if tag == "link" and asked & set(at.get("rel", "").split()): self.fetched.append(at.get("href", ""))
        self.fetched += [part.split()[0] for part in at.get("srcset", "").split(",") if part.strip()] + re.findall(r"url\(['\"]?([^'\")]+)", at.get("style", ""))
        if tag in ("a", "area") and "href" in at:
            self.links.append(at["href"])
            if any(side for _, _, side in self.open): self.sidebar.add(at["href"])

    def handle_startendtag(self, tag, attrs):
        "An element closed at once, as SVG has them."
        self.handle_starttag(tag, attrs)
        if tag not in self.void: self.open.pop()

    def handle_endtag(self, tag):
        "Close up to the latest element of that name."
        places = [i for i, (name, _, _) in enumerate(self.open) if name == tag]
        if places: del self.open[places[-1]:]

    def handle_data(self, data):
        "Prose that looks like TeX, and addresses inside scripts and styles."
        if self.open and self.open[-1][0] in ("script", "style"): self.fetched += re.findall(r"https?://[^\s'\"<>)]+", data)
        elif not any(code for _, code, _ in self.open) and re.search(r"\$|\\[a-z]+\{", data): self.prose.append(data)


def address_problem(url: str, page: Path, out: Path, pages: dict, fetched: bool) -> str:
    "What is wrong with an address on a page, empty when nothing is."
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "data" and fetched: return ""
    if parts.scheme or parts.netloc: return f"fetches {url}" if fetched else "" if parts.scheme in ("http", "https", "mailto") else f"links to {url}"
    target = (page.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file() or not target.is_relative_to(out): return f"{'shows' if fetched else 'links to'} {url}, which is not there"
    anchor = urllib.parse.unquote(parts.fragment)
    return f"links to {url}, which has no such anchor" if anchor and target in pages and anchor not in pages[target].ids else ""


def site_problems(out: Path, claims: dict, names: list) -> tuple:
    "Dead links, addresses fetched from elsewhere, chapters and names that are missing, formulas left as text; and how many addresses were followed."
    from snowballstemmer import stemmer
    pages = {p: Page(p.read_text(encoding="utf-8")) for p in sorted(out.rglob("*.html"))}
    for name in ("index.html", "api.html"): pages.setdefault(out / name, Page(""))
    bad, n = [], 0
    for path, page in pages.items():
        name = path.relative_to(out)
        for fetched, urls in ((True, page.fetched), (False, page.links)):
            n += len(urls)
            bad += [f"{name} {problem}" for url in sorted(set(urls)) if (problem := address_problem(url, path, out, pages, fetched))]
        bad += [f"{name} shows a formula as text: {' '.join(text.split())[:60]}" for text in page.prose]
    for css in out.rglob("*.css"):
        urls = re.findall(r"(?:url\(|@import )\s*['\"]?([^'\")\s]+)", css.read_text(encoding="utf-8"))
        bad += [f"{css.relative_to(out)} {problem}" for url in sorted(set(urls)) if (problem := address_problem(url, css, out, pages, True))]
    bad += [f"{stem} is not in the sidebar" for stem in claims if stem != "index" and f"{stem}.html" not in pages[out / "index.html"].sidebar]
    bad += [f"{p.name} is a chapter that nbs/ does not have" for p in pages if re.match(r"\d\d_", p.name) and p.stem not in claims]
    bad += [f"the API page lacks {name}" for name in names if name not in pages[out / "api.html"].ids]
    found = json.loads((out / "searchindex.js").read_text(encoding="utf-8").removeprefix("Search.setIndex(").rstrip(";\n").removesuffix(")"))
    for stem, claim in claims.items():
        word = stemmer("english").stemWord(max(re.findall(r"[a-z]+", claim.lower()), key=len))
        both = [terms.get(word, []) for terms in (found["terms"], found["titleterms"])]
        where = [i for at in both for i in ([at] if isinstance(at, int) else at)]
        if stem not in [found["docnames"][i] for i in where]: bad.append(f"the search does not find {stem} by {word}")
    return bad, n


def check_site(root: Path) -> Result:
    "The book as a site builds without a warning, and nothing on it is missing or fetched from elsewhere."
    lib = root / settings(root)["lib_path"]
    names = [f"{lib.name}.{'.'.join(p.relative_to(lib).with_suffix('').parts)}.{n}" for p in modules_of(root) for n in public_names(ast.parse(p.read_text(encoding="utf-8")))]
    claims = {p.stem: source(nb["cells"][0]).partition(">")[2] for p, nb in notebooks(root).items()}
    with tempfile.TemporaryDirectory() as tmp:
        base = Path(tmp).resolve()
        build = ["-m", "sphinx", "-qWE", "--keep-going", "-d", str(base / "trees"), str(base / "in"), str(base / "out")]
        for args in ([str(here.parents[1] / "docs" / "stage.py"), str(base / "in"), "--root", str(root)], build):
            done = command([sys.executable, *args], root)
            if done.returncode: return result(done.stdout.replace(str(base / "in"), "").splitlines()[-40:] or ["building failed"])
        bad, n = site_problems(base / "out", claims, names)
        size = sum(p.stat().st_size for p in (base / "out").rglob("*") if p.is_file())
        return result(bad, f"{len(claims)} notebooks, {len(names)} names, {n} links, {size / 1e6:.0f} MB")


def check_pytest(root: Path) -> Result:
    "tests/: whole processes, and this script's own faults."
    done = command([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "-rs", "tests"], root, 1800, PYTHONPATH=str(root))
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    n = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    failed = n.get("failed", 0) + n.get("error", 0)
    if done.returncode and not failed: failed = 1
    skips = tuple(line for line in done.stdout.splitlines() if line.startswith("SKIPPED"))
    return Result(done.stdout.splitlines()[-60:] if failed else [], last.strip("= "), n.get("passed", 0), failed, n.get("skipped", 0), skips)


checks = {"export": check_export, "clean": check_clean, "chapters": check_chapters, "outputs": check_outputs, "readme": check_readme, "docs": check_docs, "style": check_style,
          "ruff": check_ruff, "mypy": check_mypy, "wheel": check_wheel, "site": check_site, "notebooks": check_notebooks, "pytest": check_pytest}


def state(root: Path) -> set:
    "What git says of the working tree."
    return set(command(["git", "status", "--porcelain", "--untracked-files=all"], root).stdout.splitlines())


def run_check(name: str, root: Path, flags: str, before: set) -> Result:
    "One check; what it raises is a problem."
    try:
        if name == "tree": return result([f"changed by the checks: {line}" for line in sorted(state(root) ^ before)])
        return checks[name](root, flags) if name == "notebooks" else checks[name](root)
    except Exception as e: return result([f"{type(e).__name__}: {e}"])


def main(names: list, root: Path, flags="") -> int:
    "Run the named checks, print, and give the exit code; tests/ keep one core busy for long, so they run beside the others."
    total, before = [0, 0, 0], state(root)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(run_check, "pytest", root, flags, before) if "pytest" in names else None
        for name in [*names, "tree"]:
            res = beside.result() if beside and name == "pytest" else run_check(name, root, flags, before)
            print(f"{'FAIL' if res.failed else 'ok  '} {name}" + (f" ({res.detail})" if res.detail else ""), flush=True)
            for line in (*res.problems, *res.notes): print(f"       {line}", flush=True)
            total = [a + b for a, b in zip(total, (res.passed, res.failed, res.skipped), strict=True)]
    print("{} passed, {} failed, {} skipped".format(*total), flush=True)
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(checks))
    parser.add_argument("--root", type=Path, default=here.parents[1], help=argparse.SUPPRESS)
    parser.add_argument("--flags", default="", help="cells with these flags run too, as in --flags 'slow cuda'")
    parser.add_argument("--notebook", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="name the checks")
    args = parser.parse_args()
    if args.notebook: sys.exit(run_notebook(args.notebook, args.root, args.flags))
    if args.list: print("\n".join(f"{n:10} {f.__doc__}" for n, f in checks.items())); sys.exit(0)
    unknown = set(args.names) - checks.keys()
    if unknown: parser.error(f"no check named {', '.join(sorted(unknown))}; there are {', '.join(checks)}")
    sys.exit(main(args.names or list(checks), args.root.resolve(), args.flags))
