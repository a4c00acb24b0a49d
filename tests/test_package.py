"The package as a whole: what importing it costs, what it says of itself."
import json
import re
import subprocess
import sys

import pytest


def run(code: str, repo, *flags) -> subprocess.CompletedProcess:
    "A fresh interpreter with the repository first on its path."
    return subprocess.run([sys.executable, *flags, "-c", f"import sys; sys.path.insert(0, {str(repo)!r})\n{code}"], capture_output=True, text=True, check=False)


def test_import_is_light(repo):
    done = run("import cpa_nb, json; print(json.dumps(sorted(sys.modules)))", repo)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "cpa_nb" in loaded
    assert not loaded & {"torch", "torchvision", "numba", "numpy", "pandas", "matplotlib"}


def test_version_is_the_same_everywhere(repo, check):
    version = check.settings(repo)["version"]
    assert run("import cpa_nb; print(cpa_nb.__version__)", repo).stdout.strip() == version
    assert re.search(r"^version: (.+)$", (repo / "CITATION.cff").read_text(), re.M)[1] == version
    assert f"[{version}]" in (repo / "CHANGELOG.md").read_text() or "[Unreleased]" in (repo / "CHANGELOG.md").read_text()


def test_lazy_names_resolve(repo):
    done = run("import cpa_nb\nfor name in cpa_nb.__all__: assert getattr(cpa_nb, name) is not None, name", repo)
    assert done.returncode == 0, done.stderr


def test_unknown_name_is_an_attribute_error(repo):
    done = run("import cpa_nb; cpa_nb.no_such_name", repo)
    assert done.returncode == 1 and "AttributeError: module 'cpa_nb' has no attribute 'no_such_name'" in done.stderr


no_network = """
import socket
def refuse(*args, **kwargs): raise RuntimeError("a connection was opened")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse
socket.getaddrinfo = refuse
import importlib, pkgutil, cpa_nb
for m in pkgutil.walk_packages(cpa_nb.__path__, "cpa_nb."): importlib.import_module(m.name)
"""


def test_importing_everything_opens_no_connection(repo):
    done = run(no_network, repo)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("key", ["requirements", "dev_requirements", "docs_requirements"])
def test_constraints_satisfy_the_requirements(repo, check, key):
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    lines = [line.split("#")[0].strip() for line in (repo / "constraints.txt").read_text().splitlines()]
    pins = {canonicalize_name(r.name): r for r in map(Requirement, filter(None, lines))}
    wanted = [Requirement(r) for r in check.settings(repo)[key].split()]
    assert wanted
    for req in wanted:
        assert canonicalize_name(req.name) in pins, f"{req.name} has no pin in constraints.txt"
        (pin,) = pins[canonicalize_name(req.name)].specifier
        assert pin.operator in ("==", "===") and req.specifier.contains(pin.version), f"{req} against {pin}"
