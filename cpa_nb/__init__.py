"Compare procedures on video: same steps, same order, and where two recordings part ways."
__version__ = "0.1.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pragma: no cover
    from .assessment import assess
    from .verification import verify

_lazy = {"assess": "assessment", "verify": "verification"}  # public name -> module that holds it; nothing heavy is imported before it is used
__all__ = ["__version__", "assess", "verify"]


def __getattr__(name: str) -> Any:
    if name in _lazy: return getattr(import_module(f".{_lazy[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
