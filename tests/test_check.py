"Each check finds the fault it is for: a small sound repository, and one fault at a time."
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


def md(text): return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": text.splitlines(keepends=True)}
def code(text, *outputs): return {"cell_type": "code", "execution_count": None, "id": "c", "metadata": {}, "outputs": list(outputs), "source": text.splitlines(keepends=True)}
def stream(text, name="stdout"): return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}
def shown(**data): return {"output_type": "display_data", "metadata": {}, "data": {k.replace("_", "/"): v for k, v in data.items()}}


title = md("# Title\n\n> One claim.")
export_a = '#| export\ndef half(\n    x:float, # any number\n)->float: # x/2 (ours)\n    "Half of `x`."\n    return x/2'


def book(cells) -> dict:
    "A notebook of these cells, ids numbered."
    cells = [{**c, "id": f"cell{i:03d}"} for i, c in enumerate(json.loads(json.dumps(cells)))]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def save(path: Path, cells):
    "Write a notebook as nbdev_clean would."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book(cells), sort_keys=True, indent=1, ensure_ascii=False) + "\n")


one = [title, code("#| default_exp one"), code(export_a), code("assert half(2.)==1.")]
two = [title, code("#| default_exp two"), code("#| export\nfrom toy.one import half"), code("#| export\nquarter = half(.5)"), code("print(quarter)", stream("0.25\n"))]


@pytest.fixture(scope="session")
def sound(tmp_path_factory, repo, check):
    "A sound repository of two chapters, exported."
    base = tmp_path_factory.mktemp("sound") / "toy"
    base.mkdir()
    for name in ("setup.py", "pyproject.toml", "LICENSE"): shutil.copy(repo / name, base / name)
    lines = (repo / "settings.ini").read_text().replace("cpa_nb", "toy").splitlines()
    lines = [line for line in lines if not line.startswith(("console_scripts", "requirements", "dev_requirements"))]
    (base / "settings.ini").write_text("\n".join([*lines, "requirements =", "dev_requirements =", "console_scripts ="]) + "\n")
    save(base / "nbs" / "01_one.ipynb", one)
    save(base / "nbs" / "02_two.ipynb", two)
    save(base / "nbs" / "index.ipynb", [md("# toy\n\n> A claim."), md("<!-- chapters -->\n<!-- end of chapters -->")])
    (base / "toy").mkdir()
    (base / "toy" / "__init__.py").write_text('"A toy."\n__version__ = "' + check.settings(repo)["version"] + '"\n')
    (base / "README.md").write_text("")
    done = check.command([check.script("nbdev_export")], base, PYTHONPATH=str(base))
    assert done.returncode == 0, done.stdout
    return base


@pytest.fixture
def toy(sound, tmp_path): return shutil.copytree(sound, tmp_path / "toy")


def chapter(cells, stem="05_five"): return Path("nbs") / f"{stem}.ipynb", book(cells)


# ---- the sound repository passes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["export", "clean", "chapters", "outputs", "docs", "style", "ruff", "mypy", "wheel", "site", "notebooks"])
def test_sound_repository_passes(toy, check, name):
    res = check.checks[name](toy)
    assert res.problems == [] and res.failed == 0 and res.passed >= 1


def test_main_prints_the_sum_last_and_fails_when_anything_does(toy, check, capsys):
    assert check.main(["chapters", "outputs"], toy) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 0 skipped"
    save(toy / "nbs" / "03_three.ipynb", [md("no title")])
    assert check.main(["chapters", "outputs"], toy) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("FAIL chapters") and out[-1] == "2 passed, 1 failed, 0 skipped"


def test_a_check_that_breaks_counts_as_failed(tmp_path, check, capsys):
    assert check.main(["export"], tmp_path) == 1  # no settings.ini there
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_tests_run_beside_the_other_checks(toy, check, capsys, monkeypatch):
    met = threading.Barrier(2)
    for name in ("chapters", "pytest"): monkeypatch.setitem(check.checks, name, lambda root: check.result([] if met.wait(60) < 2 else ["alone"]))
    assert check.main(["chapters", "pytest", "outputs"], toy) == 0  # neither ends before the other has begun
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]] == ["chapters", "pytest", "outputs", "tree"]


def test_two_programs_at_a_time(check, monkeypatch):
    running, most = [], []

    def run(args, **kwargs):
        running.append(args)
        most.append(len(running))
        time.sleep(.05)
        running.pop()

    monkeypatch.setattr(check.subprocess, "run", run)
    with ThreadPoolExecutor(5) as pool: list(pool.map(lambda k: check.command([k], check.here.parent), range(5)))
    assert max(most) == 2 and len(most) == 5


def test_litter_is_a_failure(toy, check, capsys, monkeypatch):
    check.command(["git", "init", "-q"], toy)
    monkeypatch.setitem(check.checks, "litter", lambda root: check.result((root / "left.txt").write_text("x") and []))
    assert check.main(["litter"], toy) == 1
    assert "changed by the checks: ?? left.txt" in capsys.readouterr().out


# ---- export and clean -------------------------------------------------------------------------------------------------------------------
def test_export_finds_a_hand_edited_module(toy, check):
    path = toy / "toy" / "one.py"
    path.write_text(path.read_text().replace("x/2\n", "x/3\n"))
    assert any("one.py differs" in p for p in check.check_export(toy).problems)


def test_export_finds_a_module_without_notebook(toy, check):
    (toy / "nbs" / "02_two.ipynb").unlink()
    assert any("two.py: nothing makes it" in p for p in check.check_export(toy).problems)


def test_export_finds_a_notebook_never_exported(toy, check):
    save(toy / "nbs" / "03_three.ipynb", [title, code("#| default_exp three"), code("#| export\nx = 1")])
    assert any("three.py: missing" in p for p in check.check_export(toy).problems)


def test_checks_leave_the_tree_as_it_is(toy, check):
    before = {p: p.read_bytes() for p in toy.rglob("*") if p.is_file()}
    for name in ("export", "clean", "wheel"): check.checks[name](toy)
    assert before == {p: p.read_bytes() for p in toy.rglob("*") if p.is_file()}


def test_clean_finds_an_execution_count(toy, check):
    path = toy / "nbs" / "01_one.ipynb"
    path.write_text(path.read_text().replace('"execution_count": null', '"execution_count": 7'))
    assert any("01_one.ipynb differs" in p for p in check.check_clean(toy).problems)


# ---- chapters ---------------------------------------------------------------------------------------------------------------------------
known = {"one": "01", "plotting": "00", "data.sv": "12", "report": "45", "five": "05"}


@pytest.mark.parametrize("line, found", [
    ("from lib.data.sv import read_sv", "only lower numbers"), ("from lib.data import sv", "only lower numbers"), ("import lib.data.sv", "only lower numbers"),
    ("def f():\n    from lib.report import x", "only lower numbers"), ("from .report import x", "only lower numbers"),
    ("from lib.plotting import draw", "draw in exported cells"), ("from lib import verify", "no chapter exports"), ("from lib.utils import x", "no chapter exports"),
    ("from lib.one import half", None), ("from lib import one", None), ("from .one import half", None), ("import numpy, library", None)])
def test_layers(check, line, found):
    bad = check.layer_problems(*chapter([title, code("#| default_exp five"), code("#| export\n" + line)]), known, "lib")
    assert (bad == []) if found is None else (len(bad) == 1 and found in bad[0])


def test_layers_leave_unexported_cells_alone(check):
    assert check.layer_problems(*chapter([title, code("#| default_exp five"), code("from lib.report import pair_page")]), known, "lib") == []


def test_report_may_draw(check):
    cells = [title, code("#| default_exp report"), code("#| export\nfrom lib.plotting import draw")]
    assert check.layer_problems(*chapter(cells, "45_report"), known, "lib") == []


@pytest.mark.parametrize("first", [md("# Title"), md("Title\n\n> Claim"), md("# Title\n\n> Claim\n\nand more"), code("1"), md("> Claim\n# Title")])
def test_first_cell(check, first):
    assert any("first cell" in b for b in check.form_problems(*chapter([first, code("1")]), 100))


def test_three_exported_cells_in_a_row(check):
    ex, show = code("#| export\nx = 1"), code("x")
    find = lambda *cells: [b for b in check.form_problems(*chapter([title, *cells]), 100) if "in a row" in b]  # noqa: E731
    assert len(find(ex, ex, ex)) == 1 and len(find(ex, md("words"), ex, code("import numpy"), ex)) == 1
    assert find(ex, ex, show, ex) == [] and find(code("#| export\nimport numpy"), ex, ex, show) == []


def test_size_name_place(check):
    path, nb = chapter([title, *[code("1")] * 80])
    assert any("81 cells" in b for b in check.form_problems(path, nb, 100))
    assert any("500001 bytes" in b for b in check.form_problems(path, nb, 500_001))
    assert any("NN_words" in b for b in check.form_problems(Path("nbs/Five.ipynb"), nb, 1))
    assert any("flat" in b for b in check.form_problems(Path("nbs/sub/05_five.ipynb"), nb, 1))


def test_number_used_twice_and_no_notebooks(toy, check):
    save(toy / "nbs" / "02_too.ipynb", one[:1])
    assert "number 02 is used twice" in check.check_chapters(toy).problems
    shutil.rmtree(toy / "nbs")
    assert check.check_chapters(toy).failed == 1


# ---- outputs ----------------------------------------------------------------------------------------------------------------------------
error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}


@pytest.mark.parametrize("out, found", [
    (error, "kept error ValueError"), (stream("careful", "stderr"), "kept stderr"), (stream("saved to /home/me/x.png"), "a path"), (stream("in '/home/abc/x'"), "a path"),
    (shown(text_plain=["PosixPath('/home/x')"]), "a path"), (stream(r"C:\Users\me"), "a path"), (stream("<object at 0x7f3a2b4c5d60>"), "address"),
    (stream("2026-11-24"), "date"), (stream("at 12:03:44"), "clock"), (stream("Wall time: 3 s"), "duration"), (stream("12.3 ms"), "duration"), (stream("810 frames/s"), "rate"),
    (stream(" 40%|####    | 4/10"), "progress"), (shown(**{"application/vnd.jupyter.widget-view+json": {}}), "widget"), (stream("x.py:1: UserWarning: odd"), "a warning"),
    (shown(text_plain="<Axes: title={}>"), "axes")])
def test_outputs_find(check, out, found):
    bad = check.output_problems(*chapter([title, code("x", out)]))
    assert bad and any(found in b for b in bad)


@pytest.mark.parametrize("out", [
    stream("auc 0.913, 12 of 40 pairs; 100%, ratio 3/4, and/or, tests/tmp/x"), stream("step 2: 0:12 to 0:15 (3.2 s)"), shown(image_png="aGk=", text_plain="<Figure size 600x300 with 1 Axes>"),
    shown(text_markdown="see https://example.org/home/page"), stream("skipped: svip is absent from CPA_DATA")])
def test_outputs_allow(check, out):
    assert check.output_problems(*chapter([title, code("x", out)])) == []


def test_outputs_find_a_machine_path_in_the_source(check):
    assert check.output_problems(*chapter([title, code("read('/root/data/x.csv')")]))


# ---- documentation ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text, found", [
    ("def f(x:int)->None: 'Doc.'", "x has no comment"), ("def f()->None: pass", "no docstring"), ("def f()->int:\n    'Doc.'\n    return 1", "return has no comment"),
    ("def f(\n    x:int, y:int, # both\n)->None: 'Doc.'", "has no comment of its own"), ("def f():\n    'Doc.'\n    return 1", "return type is missing"),
    ("class C:\n    'Doc.'\n    x:int = 1", "C.x has no comment"), ("class C:\n    'Doc.'\n    def go(self): pass", "C.go has no docstring"), ("class C: pass", "C has no docstring"),
    ("def f(\n    x:int, # a number\n    y:int=(1 +\n      2), # another\n)->int: # sum\n    'Doc.'\n    return x + y", None),
    ("def f(\n    x:int=Option(1, help='a number'),\n)->None: 'Doc.'", None), ("class C:\n    'Doc.'\n    x:int = 1 # one", None), ("def _f(x): pass", None)])
def test_docs(tmp_path, check, text, found):
    (tmp_path / "m.py").write_text(f"__all__ = ['f', 'C']\n{text}\n")
    bad = check.doc_problems(tmp_path / "m.py")
    assert (bad == []) if found is None else any(found in b for b in bad)


def test_style(tmp_path, check):
    path = tmp_path / "m.py"
    path.write_text("#\n" * 6 + "def f():\n" + "    x = 1\n" * 29 + "@njit(cache=True)\ndef g():\n" + "    x = 1\n" * 39)
    assert check.style_problems(path) == []
    path.write_text("#\n" * 6 + "def f():\n" + "    x = 1\n" * 30 + "@njit(cache=True)\ndef g():\n" + "    x = 1\n" * 40 + "x" * 161)
    assert [b.split(": ")[1].split(" has")[0] for b in check.style_problems(path)] == ["line 80", "f", "g"]


# ---- running things -----------------------------------------------------------------------------------------------------------------------
def test_notebooks_count_passes_failures_and_skips(toy, check):
    save(toy / "nbs" / "03_three.ipynb", [title, code("print('skipped: svip is absent')\nprint('skipped: twice')\nprint('not skipped: this')")])
    save(toy / "nbs" / "04_four.ipynb", [title, code("raise ValueError('seeded fault')")])
    save(toy / "nbs" / "05_five.ipynb", [title, code("#| slow\nraise ValueError('never run')"), code("#| eval: false\nraise ValueError('nor this')")])
    res = check.check_notebooks(toy)
    assert (res.passed, res.failed, res.skipped) == (5, 1, 2)
    assert "04_four.ipynb:" in res.problems and any("seeded fault" in p for p in res.problems)
    assert check.check_notebooks(toy, flags="slow").failed == 2


def test_a_hanging_notebook_fails(toy, check):
    for p in (toy / "nbs").glob("*.ipynb"): p.unlink()
    save(toy / "nbs" / "03_three.ipynb", [title, code("import time\ntime.sleep(60)")])
    res = check.check_notebooks(toy, timeout=4)
    assert res.failed == 1 and any("stopped after 4 s" in p for p in res.problems)


def test_no_notebooks_fails(toy, check):
    shutil.rmtree(toy / "nbs")
    assert check.check_notebooks(toy).failed == 1


def test_ruff_and_mypy_find(toy, check):
    save(toy / "nbs" / "03_three.ipynb", [title, code("print(undefined_name)")])
    (toy / "toy" / "one.py").write_text('def half(x: float) -> float: return "no"\n')
    assert any("undefined_name" in p for p in check.check_ruff(toy).problems)
    assert any("one.py" in p for p in check.check_mypy(toy).problems)


@pytest.mark.parametrize("module, text, found", [("__init__", "import numba", "imports"), ("three", "import no_such_module", "no_such_module")])
def test_wheel_finds(toy, check, module, text, found):
    path = toy / "toy" / f"{module}.py"
    path.write_text((path.read_text() if path.exists() else "") + text + "\n")
    assert any(found in p for p in check.check_wheel(toy).problems)


def test_wheel_finds_a_notebook_inside(toy, check):
    (toy / "setup.py").write_text((toy / "setup.py").read_text().replace('["py.typed"]', '["py.typed", "*.ipynb"]'))
    save(toy / "toy" / "stray.ipynb", [title])
    assert any("stray.ipynb" in p for p in check.check_wheel(toy).problems)


def test_pytest_counts(toy, check):
    (toy / "tests").mkdir()
    assert check.check_pytest(toy).failed == 1  # nothing to run is a failure
    (toy / "tests" / "test_x.py").write_text("import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('no GPU')\n")
    res = check.check_pytest(toy)
    assert (res.passed, res.failed, res.skipped) == (1, 1, 1)


# ---- the site -----------------------------------------------------------------------------------------------------------------------------
home = '<div class="sidebar-tree"><a href="01_one.html">1</a></div><p id="here">Words.</p><img src="a.png"><a href="https://example.org/x">out</a><a href="mailto:a@b.c">us</a><code>$x</code>'
sound_site = {"index.html": home, "01_one.html": '<h1 id="t">One</h1><a href="index.html#here">home</a><img src="data:image/png;base64,aGk="><div class="math">$x$</div>',
              "api.html": '<dt id="toy.one.half">half</dt>', "a.png": "x", "b.css": "p{background:url(a.png)}",
              "searchindex.js": 'Search.setIndex({"docnames":["01_one","index"],"terms":{"claim":[0,1]},"titleterms":{}})'}


def faults(check, folder, **changed):
    "What is found wrong with the sound site after some files were changed."
    for name, text in {**sound_site, **{k.replace("__", "."): v for k, v in changed.items()}}.items():
        if text is not None: (folder / name).write_text(text)
    return check.site_problems(folder, {"index": "A claim.", "01_one": "One claim."}, ["toy.one.half"])[0]


def test_a_sound_site(check, tmp_path): assert faults(check, tmp_path) == []


@pytest.mark.parametrize("body, found", [
    ('<a href="no.html">x</a>', "links to no.html, which is not there"), ('<a href="index.html#no">x</a>', "no such anchor"), ('<a href="#no">x</a>', "no such anchor"),
    ('<a href="../../etc/passwd">x</a>', "which is not there"), ('<a href="javascript:go()">x</a>', "links to javascript"), ('<img src="no.png">', "shows no.png"),
    ('<img srcset="a.png 1x, no.png 2x">', "shows no.png"), ('<script src="https://cdn.example.org/x.js"></script>', "fetches https://cdn"),
    ('<script src="//cdn.example.org/x.js"></script>', "fetches //cdn"), ('<link rel="stylesheet" href="https://fonts.example.org/f.css">', "fetches https://fonts"),
    ('<script>load("https://cdn.example.org/y.js")</script>', "fetches https://cdn"), ('<style>@import "https://fonts.example.org/f.css";</style>', "fetches https://fonts"),
    ('<p style="background:url(https://example.org/p.png)">x</p>', "fetches https://example"), ('<iframe src="http://example.org">', "fetches http:"),
    ("<p>so $K$ steps</p>", "shows a formula as text"), ("<p>so \\frac{1}{2} of them</p>", "shows a formula as text")])
def test_site_finds(check, tmp_path, body, found):
    bad = faults(check, tmp_path, **{"01_one__html": sound_site["01_one.html"] + body})
    assert len(bad) == 1 and bad[0].startswith("01_one.html ") and found in bad[0]


@pytest.mark.parametrize("name, text, found", [
    ("index__html", home.replace("01_one.html", "index.html"), "01_one is not in the sidebar"), ("api__html", "<p>nothing</p>", "the API page lacks toy.one.half"),
    ("02_two__html", "<p>Two.</p>", "nbs/ does not have"), ("b__css", '@import "https://fonts.example.org/f.css";', "fetches https://fonts"), ("b__css", "p{background:url(no.png)}", "shows no.png"),
    ("searchindex__js", 'Search.setIndex({"docnames":["01_one","index"],"terms":{"claim":1},"titleterms":{}})', "the search does not find 01_one by claim")])
def test_site_finds_what_is_missing(check, tmp_path, name, text, found):
    bad = faults(check, tmp_path, **{name: text})
    assert len(bad) == 1 and found in bad[0]


@pytest.mark.parametrize("cells, found", [
    ([title, md("see [two](02_too.ipynb)")], "02_too"), ([title, md("![picture](../docs/no.png)")], "no.png"), ([title, code("#| echo: false\n1")], "echo"),
    ([title, md("$$\\frac{1}$$ and a line\n\n```{no_such}\n```")], "no_such")])
def test_site_refuses_to_build(toy, check, cells, found):
    save(toy / "nbs" / "03_three.ipynb", cells)
    res = check.check_site(toy)
    assert res.failed == 1 and any(found in p for p in res.problems)


def test_stage_turns_chapters_and_docments_into_pages(toy, check, tmp_path, repo):
    save(toy / "nbs" / "03_three.ipynb", [md("# Third `half`\n\n> More."), md("As chapter 01, chapters 01 and 02, chapter 09 and `half` say; `$x$`.\n\n```sh\nsee chapter 01\n```"),
                                          code("#| hide\nsecret = 1"), code("#| slow\nfor i in range(2): print(i)")])
    done = check.command([check.sys.executable, str(repo / "docs" / "stage.py"), str(tmp_path / "in"), "--root", str(toy)], toy)
    assert done.returncode == 0 and done.stdout == "3 chapters, 2 public names\n"
    first, third = (json.loads((tmp_path / "in" / f"{n}.ipynb").read_text())["cells"] for n in ("01_one", "03_three"))
    assert [check.source(c) for c in third] == [
        "# 03 · Third `half`\n\n> More.",
        "As [chapter 01](01_one.ipynb), [chapters 01](01_one.ipynb) and [02](02_two.ipynb), chapter 09 and {py:obj}`half <toy.one.half>` say; `$x$`.\n\n```sh\nsee chapter 01\n```",
        "for i in range(2): print(i)"]
    assert third[2]["metadata"] == {"tags": ["slow"]} and "#|" not in json.dumps(first) + json.dumps(third)
    api = (tmp_path / "in" / "api.md").read_text()
    (anchor,) = [check.source(c)[1:-2] for c in first if check.source(c).startswith("(cell-")]
    for text in ("{py:function} half(x: float) -> float", ":param x: any number", ":returns: x/2 (ours)", f"Half of `x`. Made in [01 · Title](#{anchor}).", "{py:data} quarter"): assert text in api


def test_stage_removes_no_folder_of_yours(toy, check, tmp_path, repo):
    done = check.command([check.sys.executable, str(repo / "docs" / "stage.py"), str(toy), "--root", str(toy)], toy)
    assert done.returncode == 1 and "need a new folder" in done.stdout and (toy / "nbs" / "01_one.ipynb").exists()


def test_site_executes_nothing_and_fetches_no_widget_scripts(toy, check):
    widget = shown(**{"application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2, "version_minor": 0}, "text/plain": "half done"})
    save(toy / "nbs" / "03_three.ipynb", [title, code("raise ValueError('never run')", stream("kept\n")), code("bar", widget)])
    nb = json.loads((toy / "nbs" / "03_three.ipynb").read_text())
    nb["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
    (toy / "nbs" / "03_three.ipynb").write_text(json.dumps(nb))
    assert check.check_site(toy).problems == []


# ---- README -------------------------------------------------------------------------------------------------------------------------------
def test_readme_follows_the_notebooks(toy, readme):
    assert set(readme.write(toy)) == {"nbs/index.ipynb", "README.md"} and readme.stale(toy) == []
    assert "[Title](nbs/01_one.ipynb) | `one` | One claim. |" in (toy / "README.md").read_text()
    save(toy / "nbs" / "03_three.ipynb", [md("# Third\n\n> More."), code("1")])
    assert set(readme.stale(toy)) == {"nbs/index.ipynb", "README.md"}


def test_readme_keeps_pictures_and_drops_directives(toy, readme):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    cells = [md("# toy\n\n> A claim."), md("<!-- chapters -->\n<!-- end of chapters -->\n[licence](../LICENSE)"), code("#| eval: false\nx = 1", shown(image_png=pixel))]
    save(toy / "nbs" / "index.ipynb", cells)
    readme.write(toy)
    text = (toy / "README.md").read_text()
    (picture,) = (toy / "docs" / "images").glob("*.png")
    assert f"](docs/images/{picture.name})" in text and "](LICENSE)" in text and "#|" not in text and "```python\nx = 1\n```" in text
    picture.write_bytes(b"other")
    assert readme.stale(toy) == [f"docs/images/{picture.name}"]


def test_readme_needs_its_marker(toy, readme):
    save(toy / "nbs" / "index.ipynb", [title])
    with pytest.raises(ValueError, match="need one cell with"): readme.write(toy)


def test_alias_with_help_documents_a_parameter(tmp_path, check):
    path = tmp_path / "m.py"
    text = '__all__ = ["f"]\nQuiet = Annotated[bool, Option(help="no bars")]\ndef f(a:{}=False)->None:\n    "Does it."\n'
    path.write_text(text.format("Quiet"))
    assert check.doc_problems(path) == []
    path.write_text(text.format("Loud"))
    assert "parameter a" in check.doc_problems(path)[0]
