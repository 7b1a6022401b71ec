"""Lay a built site into a folder of versions, as the branch of GitHub Pages holds it.

    python tools/publish_site.py SITE PAGES VERSION [--latest]

SITE is what `tools/build_site.py --versioned` built, PAGES the checkout of the branch. Afterwards PAGES/VERSION is the
site, PAGES/versions.json lists all versions for the menu, newest first, and PAGES/index.html leads to the latest. The
layout is that of mike, which the theme knows; mike itself builds with MkDocs, and its fork for Zensical is not on PyPI.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

_VERSION = re.compile(r"dev|\d+\.\d+")
_REDIRECT = """<!doctype html>
<meta charset="utf-8">
<title>ppkt-zoo</title>
<meta http-equiv="refresh" content="0; url={version}/index.html">
<a href="{version}/index.html">ppkt-zoo {version}</a>
"""


def publish(site: Path, pages: Path, version: str, latest: bool) -> list[dict[str, Any]]:
    """Add or replace a version; the list of versions as it stands afterwards."""
    if not _VERSION.fullmatch(version):
        sys.exit(f"{version!r} is no version of the documentation: MAJOR.MINOR or dev")
    if not (site / "index.html").is_file():
        sys.exit(f"{site} is no built site: run python tools/build_site.py --versioned")
    listing = pages / "versions.json"
    known = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else []
    before = next((one for one in known if one["version"] == version), None)
    aliases = ["latest"] if latest or (before is not None and "latest" in before["aliases"]) else []
    others = [one for one in known if one["version"] != version]
    if latest:
        others = [{**one, "aliases": []} for one in others]
    versions = sorted([*others, {"version": version, "title": version, "aliases": aliases}], key=_age, reverse=True)
    shutil.rmtree(pages / version, ignore_errors=True)
    shutil.copytree(site, pages / version)
    listing.write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    first = next((one["version"] for one in versions if "latest" in one["aliases"]), versions[0]["version"])
    (pages / "index.html").write_text(_REDIRECT.format(version=first), encoding="utf-8")
    (pages / ".nojekyll").touch()
    return versions


def _age(entry: dict[str, Any]) -> tuple[int, ...]:
    """Newer versions are larger; dev is the newest."""
    version = entry["version"]
    return (sys.maxsize,) if version == "dev" else tuple(int(part) for part in version.split("."))


def main() -> None:
    """Publish into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("version")
    parser.add_argument("--latest", action="store_true", help="this is the version that the first page leads to")
    asked = parser.parse_args()
    for one in publish(asked.site, asked.pages, asked.version, asked.latest):
        print(one["version"], *one["aliases"])


if __name__ == "__main__":
    main()
