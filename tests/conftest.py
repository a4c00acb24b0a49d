"What the tests share: the root of the repository, and its scripts as modules."
import importlib.util
import signal
from pathlib import Path

import pytest

# Ctrl-C must reach the programs that tests start, also where the tests run in the background: shells make such jobs ignore it, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

root = Path(__file__).resolve().parents[1]


def load(name: str):
    "One script of .ci as a module."
    spec = importlib.util.spec_from_file_location(f"ci_{name}", root / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def repo(): return root


@pytest.fixture(scope="session")
def check(): return load("check")


@pytest.fixture(scope="session")
def readme(): return load("readme")
