"""What ships with the package beside its modules: the manifest of weights, and recipes."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
#: Inside a wheel the manifest lies in the package; in a checkout, at the repository's root.
MANIFEST_PATHS = tuple(place / "weights_manifest.json" for place in (_PACKAGE, _PACKAGE.parent))


def shipped_recipes(kind: str = "pretraining") -> dict[str, Path]:
    """The recipes of one kind, which has a folder of its own, by name; none where they are not installed."""
    places = (place / "recipes" / kind for place in (_PACKAGE, _PACKAGE.parent))
    place = next((place for place in places if place.is_dir()), None)
    return {} if place is None else {file.stem: file for file in sorted(place.glob("*.yaml"))}
