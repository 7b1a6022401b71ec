"""Importing this makes the folder above importable, where `_probes` lies; after this one, whose names come first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
