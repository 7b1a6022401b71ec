"""Which world the seeds give."""

VERSION = 3
"""Raised whenever the same seed would give other rooms or frames: caches of other versions are never read."""
