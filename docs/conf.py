"How Sphinx builds the site; docs/stage.py copies this beside what it stages."
from configparser import ConfigParser
from pathlib import Path
from shutil import rmtree

from docutils import nodes

here = Path(__file__).resolve().parent
parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(here / "settings.ini", encoding="utf-8")
settings = parser["DEFAULT"]

project, author, release, copyright = settings["title"], settings["author"], settings["version"], settings["copyright"]
language = "en"
extensions = ["myst_nb", "sphinx-mathjax-offline"]
exclude_patterns = ["_static"]

# chapters are shown as they are stored
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # these would come from a CDN
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["amsmath", "dollarmath", "fieldlist"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
smartquotes = False  # "" in a comment stays what it is
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = settings["title"]
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "github-dark"


def only_what_is_used(app, error):
    "Of MathJax keep what its HTML output of TeX needs."
    mathjax = Path(app.outdir) / "_static" / "mathjax"
    if error or not mathjax.exists(): return
    for path in [*mathjax.glob("*.js"), mathjax / "output" / "svg", mathjax / "sre"]:
        if path.is_dir(): rmtree(path)
        elif path.name != "tex-chtml.js": path.unlink()


def dashes(app, doctree, docname):
    "Sphinx puts two hyphens between a parameter and what is said of it, for smart quotes to join."
    for body in doctree.findall(nodes.field_body):
        for text in [t for t in body.findall(nodes.Text) if t == " -- "]: text.parent.replace(text, nodes.Text(" – "))


def setup(app):
    "Sphinx calls this."
    app.connect("doctree-resolved", dashes)
    app.connect("build-finished", only_what_is_used, priority=900)  # after the extension has copied it
