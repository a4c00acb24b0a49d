"What the tests share: the root of the repository, and its scripts as modules."
import importlib.util
from pathlib import Path

import pytest

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
