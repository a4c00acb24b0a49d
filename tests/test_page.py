"The page that `cpa verify --report` writes, as a stranger opens it: self-contained, readable on a phone and by a screen reader, and of one mind with the terminal."
import base64
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image

from cpa_nb.cli import run
from cpa_nb.data.synthetic import make_world, preset, render_video, write_video
from cpa_nb.learning import Calibration, Checkpoint, save_checkpoint
from cpa_nb.model import CPAConfig, build_cpa
from cpa_nb.report import demo_page
from cpa_nb.verification import verify

T, K, size = 16, 12, (64, 112)
browser = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")) if b), None)
long_name = "übung/Äußerst langer Dateiname für die Prüfung der Schichtübergabe in der Großküche am Dienstag_ohne_jedes_Leerzeichen_bis_zum_Ende.mp4"
files = {"one": "a/take.mp4", "two": "b/take.mp4", "long": long_name}


class Page(HTMLParser):
    "What a browser would see of a page: tags with attributes, addresses, headings, and the text in elements of a class."
    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self.clocks, self._into = [], [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("h1", "h2", "h3"): self.headings.append([int(tag[1]), ""])
        self._into = self.headings if tag in ("h1", "h2", "h3") else self.clocks if dict(attrs).get("class") == "clock" else None
        if self._into is self.clocks: self.clocks.append([tag, ""])

    def handle_data(self, data):
        if self._into: self._into[-1][1] += data

    def handle_endtag(self, tag): self._into = None

    def named(self, *names): return [attrs for tag, attrs in self.tags if tag in names]

    def pictures(self):
        "Sizes of all raster images but the matrices of the evidence."
        shown = [(a.get("src") or a["href"]) for a in self.named("img", "image") if a.get("class") != "heat"]
        return [Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size for uri in shown]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    "Two recordings of procedures that differ in the order of two steps, their lengths 1 to 15, and an untrained checkpoint for each verdict."
    here, world = tmp_path_factory.mktemp("page"), make_world(preset("tiny"), 0)
    one, two = (render_video(world, p.steps, s, task=p.task).frames for s, p in enumerate(world.procedures[:2]))
    for name, frames in zip(files.values(), (one, two, two.repeat(15, axis=0)), strict=True): write_video(here / name, frames, 10., 18)
    cfg = CPAConfig(n_frames=T, n_steps=K, dim=16)
    blank = Checkpoint(build_cpa(cfg, (*size, 3), 2).eval(), cfg, ["x", "y"], (*size, 3), None, None, {})
    d = verify(here / files["one"], here / files["two"], blank).distance
    for name, cut in (("same", d + 50), ("different", d - 50), ("undecided", d - .1), ("uncalibrated", None)):
        save_checkpoint(here / name, blank._replace(calibration=cut and Calibration(cut, 1., 99, "99 pairs made up")))
    return here


@pytest.fixture(scope="module")
def pages(room):
    "Name of a page -> its text, the terminal's text, the JSON, the exit code."
    def said(*words):
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as m:
            m.chdir(room)
            m.setattr("sys.stdout", out)
            code = run(["verify", *words])
        return code, out.getvalue()
    made = {}
    for verdict, frames, b in (("same", "show", "two"), ("different", "show", "two"), ("undecided", "show", "two"), ("uncalibrated", "show", "two"),
                               ("different", "blur", "two"), ("different", "none", "two"), ("different", "show", "long")):
        name = f"{verdict}-{frames}-{b}"
        words = (files["one"], files[b], "-c", verdict)
        code, terminal = said(*words, "--report", f"{name}.html", "--frames", frames, "--exit-code")
        made[name] = (room / f"{name}.html").read_text(encoding="utf-8"), terminal, json.loads(said(*words, "--json")[1]), code
    views = [verify(room / files["one"], room / files[b], room / "same").view for b in ("two", "long")]
    table = pd.DataFrame(dict(method=["CPA", "a rival with a long name"], auc=[.9, .7], low=[.8, .6], high=[.95, .8], swap=[.9, .5], move=[.9, .5], replace=[.9, .5], reorder=[.9, .5]))
    demo = demo_page(room / "demo.html", "Procedures compared", {"pairs": 12}, table, *views, pd.DataFrame(dict(step=[0, 1], loss=[1., .5])))
    return made | {"demo": (demo.read_text(encoding="utf-8"), None, None, None)}


def test_nothing_from_elsewhere(pages):
    for name, (text, *_) in pages.items():
        page = Page(text)
        addresses = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "srcset", "data", "action", "xlink:href")]
        assert addresses and all(v.startswith("data:image/") for v in addresses), name
        assert not page.named("script", "link", "iframe", "object", "embed", "base") and not [k for _, a in page.tags for k in a if k.startswith("on")], name
        assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"data:image/[^\"]*|xmlns=\"[^\"]*\"", "", text)), name
        assert "url(" not in text and "@import" not in text, name
        assert any(a.get("http-equiv") == "Content-Security-Policy" and "default-src 'none'" in a["content"] for a in page.named("meta")), name


def test_for_every_reader(pages):
    for name, (text, *_) in pages.items():
        page = Page(text)
        assert page.named("html")[0]["lang"] == "en" and any("width=device-width" in a.get("content", "") for a in page.named("meta")), name
        assert all(a.get("alt") for a in page.named("img")) and all(a.get("aria-label") for a in page.named("svg")), name
        assert page.named("th") and all(a.get("scope") in ("row", "col") for a in page.named("th")), name
        levels = [level for level, _ in page.headings]
        assert levels[0] == 1 and levels.count(1) == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False)), (name, levels)


def test_frames_none_blur_show(pages):
    sizes = {frames: Page(pages[f"different-{frames}-two"][0]).pictures() for frames in ("none", "blur", "show")}
    assert sizes["none"] == [] and len(sizes["blur"]) == len(sizes["show"]) > 2*T
    assert {h for _, h in sizes["blur"]} == {8} and min(h for _, h in sizes["show"]) == min(size[0], 88)
    assert all("blurred" in a["alt"] for a in Page(pages["different-blur-two"][0]).named("img"))


def test_one_mind_with_the_terminal(pages):
    for name, (text, terminal, told, _) in pages.items():
        if name == "demo": continue
        rows = re.findall(r"^ +\d+ +(\S+) - +(\S+) +(\S+) - +(\S+) +(\d+ %|over 99 %|under 1 %)", terminal, re.M)
        assert len(rows) == len(told["steps"]) == 6, name
        shown = [" ".join(text.split()) for _, text in Page(text).clocks]
        assert shown == [x for a0, a1, b0, b1, match in rows for x in (f"{a0} – {a1}", f"{b0} – {b1}", match)], name
        for remark in re.findall(r"^step \d+: (.+)$", terminal, re.M): assert f'class="remark">{html.escape(remark)}<' in text, (name, remark)
        if told["probability"] is not None: assert re.search(r"that they do is ((?:over |under )?\d+ %)", text)[1] == re.search(r"same order: (.+)$", terminal, re.M)[1], name


def test_the_heading_is_the_verdict(pages):
    want = {"same": ("Same steps, same order", False, 0), "different": ("Not the same steps in the same order", False, 1),
            "undecided": ("Undecided", True, 1), "uncalibrated": ("No verdict", False, 3)}
    for verdict, (heading, undecided, code) in want.items():
        text, terminal, told, got = pages[f"{verdict}-show-two"]
        assert [words for level, words in Page(text).headings if level == 2] == [heading]
        assert (told["undecided"], got) == (undecided, code)
        if undecided: assert "undecided, leaning to different" in terminal and told["verdict"] == "different" and "count as different" in text
        else: assert f"verdict     {verdict}" in terminal and told["verdict"] == verdict
    assert "a/take.mp4" in pages["same-show-two"][0] and "b/take.mp4" in pages["same-show-two"][0]      # two files of one name are told apart


def measuring(pages, width):
    "A page that holds the pages in frames of this width, and writes how far each reaches and where the pictures of its steps stand."
    script = """onload=()=>{const at=e=>e.getBoundingClientRect();
    document.body.textContent=JSON.stringify([...document.querySelectorAll('iframe')].map(f=>{const d=f.contentDocument,width=d.documentElement.clientWidth;
    return {name:f.title,width,reach:d.documentElement.scrollWidth,wide:[...d.querySelectorAll('body *')].filter(e=>at(e).right>width+1&&!e.closest('svg')).map(e=>e.outerHTML.slice(0,80)),
    rows:[...d.querySelectorAll('.steps tr')].map(r=>[...r.querySelectorAll('.own')].map(e=>[at(e).left,at(e).top,at(e).bottom].map(Math.round))).filter(r=>r.length)}}))}"""
    frames = "".join(f'<iframe title="{name}" style="border:0;width:{width}px;height:2000px" srcdoc="{html.escape(text)}"></iframe>' for name, text in pages)
    return f'<!doctype html><meta charset="utf-8"><body>{frames}<script>{script}</script>'


@pytest.mark.skipif(browser is None, reason="no chromium or chrome: the width of the page was not measured")
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_width(pages, tmp_path, width):
    whole = tmp_path / "whole.html"
    wide = ("a page that is too wide", "<!doctype html><p style='width:1300px'>x")                   # would it be noticed?
    whole.write_text(measuring([*((name, text) for name, (text, *_) in pages.items()), wide], width), encoding="utf-8")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path}/profile", "--dump-dom",
                           f"--window-size={width + 200},900", whole.as_uri()], text=True, capture_output=True, timeout=240, check=True)
    *seen, noticed = json.loads(html.unescape(re.search(r"<body>(.*)</body>", done.stdout, re.S)[1]))
    assert noticed["reach"] > width and noticed["wide"] and len(seen) == len(pages)
    for page in seen:
        assert page["width"] == page["reach"] == width and page["wide"] == [], page
        assert page["rows"]
        for a, b in page["rows"]: assert (a[0] == b[0] and a[2] <= b[1]) if width < 700 else (a[0] < b[0] and a[1] == b[1]), (page["name"], a, b)   # B below A, or beside it
