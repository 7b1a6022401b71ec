"""The tiny recipe by its earlier place, which programs outside the repository import with this folder on their path."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from tests.pretraining.tiny_recipe import tiny_recipe  # noqa: E402 (behind the path)

__all__ = ["tiny_recipe"]
