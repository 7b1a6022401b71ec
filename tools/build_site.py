"""Build the documentation site into build/site/html; any warning, dead link or missing picture is an error.

    python tools/build_site.py                                  to read it from the disk
    python tools/build_site.py --ref v0.1.0 --versioned         as one of several versions on a server

The pages of docs/ are written for GitHub too, where a link may lead to any file of the repository. For the site they
are laid out in build/site/pages: links that leave the site become links to the repository at ``--ref``, notebooks
become pages, and lines ``<!-- api: NAME -->`` become the reference of that name. Zensical then builds zensical.toml.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import check_site  # noqa: E402  (a script finds the folder that it lies in, not the one above)

#: Below the root: where pages are laid out, and where the site is built.
STAGE, HTML = Path("build/site/pages"), Path("build/site/html")
REPOSITORY = "https://github.com/ppkt-zoo/ppkt-zoo"
#: Pages of the site that lie outside docs/, and where the site has them.
OUTSIDE = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
OUTSIDE |= {"SECURITY.md": "security.md"}
_COPIED = {".md", ".png", ".svg", ".js", ".css", ".ipynb"}
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\(|(?:src|srcset|href)=\")(?!https?://|mailto:|#|attachment:|data:)([^)#\"\s]+)")
#: Lines of zensical.toml in a versioned site, whose settings lie in build/site.
_PLACES = {
    'docs_dir = "build/site/pages"': 'docs_dir = "pages"',
    'site_dir = "build/site/html"': 'site_dir = "html"',
    'paths = ["."]': f"paths = ['{ROOT}']",
    '"tools/docstring_roles.py"': f"'{ROOT / 'tools' / 'docstring_roles.py'}'",
    "[project.extra]\n": '[project.extra]\nversion.provider = "mike"\n',
}
#: Zensical colours its pointers at faults whatever it is told; griffe, which reads the docstrings, only says them.
_COLORS = re.compile(r"\x1b\[[\d;]*m")
_WARNED = re.compile(r"^(warning|error|griffe)\b", re.MULTILINE | re.IGNORECASE)
_API = re.compile(r"^<!-- api: ([\w.]+) -->$", re.MULTILINE)


class SiteError(SystemExit):
    """Why the site cannot be built."""


def site_files(root: Path = ROOT) -> dict[Path, str]:
    """Every file that the site takes, with its place below the pages; notebooks become Markdown."""
    found = {root / name: place for name, place in OUTSIDE.items() if name != "README.md" and (root / name).exists()}
    for file in sorted((root / "docs").rglob("*")):
        if file.suffix in _COPIED:
            found[file] = file.relative_to(root / "docs").with_suffix(_suffix(file)).as_posix()
    return found


def _suffix(file: Path) -> str:
    return ".md" if file.suffix == ".ipynb" else file.suffix


def link_for(target: str, source: Path, place: str, files: dict[Path, str], ref: str, root: Path = ROOT) -> str:
    """Where a relative link of ``source`` leads in the site, seen from the page at ``place``."""
    path = (source.parent / target).resolve()
    if path == root / "README.md":
        there: str | None = OUTSIDE["README.md"]
    else:
        there = files.get(path)
    if there is not None:
        return os.path.relpath(there, Path(place).parent).replace(os.sep, "/")
    if not path.exists() or not path.is_relative_to(root):
        raise SiteError(f"{source.relative_to(root)}: {target} is not in the repository")
    return f"{REPOSITORY}/{'tree' if path.is_dir() else 'blob'}/{ref}/{path.relative_to(root).as_posix()}"


def for_the_site(text: str, relink: Callable[[str], str]) -> str:
    """A page's text with links and references for the site; code blocks stay as they are."""
    parts = _FENCED.split(text)
    for at in range(0, len(parts), 2):
        linked = _LINK.sub(lambda match: match[1] + relink(match[2]), parts[at])
        parts[at] = _API.sub(r"::: \1", linked)
    return "".join(parts)


def lay_out(ref: str, root: Path = ROOT) -> None:
    """Write all pages and pictures of the site to build/site/pages."""
    shutil.rmtree(root / STAGE, ignore_errors=True)
    files = site_files(root)
    for source, place in files.items():
        target = root / STAGE / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".md":
            shutil.copyfile(source, target)
            continue
        text = _notebook(source, target) if source.suffix == ".ipynb" else source.read_text(encoding="utf-8")

        def relink(link: str, source: Path = source, target: Path = target, place: str = place) -> str:
            if link.startswith(f"{target.stem}_files/"):  # a picture that the notebook showed
                return link
            return link_for(link, source, place, files, ref, root)

        target.write_text(for_the_site(text, relink), encoding="utf-8")


def _notebook(source: Path, target: Path) -> str:
    """A notebook as Markdown; its pictures are written beside the page."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(
        str(source), resources={"output_files_dir": f"{target.stem}_files"}
    )
    for name, data in resources["outputs"].items():
        (target.parent / name).parent.mkdir(exist_ok=True)
        (target.parent / name).write_bytes(data)
    return str(text)


def _settings(versioned: bool, root: Path) -> Path:
    """The file of settings; a versioned site has a menu of versions, which pages of a disk would ask for in vain."""
    if not versioned:
        return root / "zensical.toml"
    text = (root / "zensical.toml").read_text(encoding="utf-8")
    for here, there in _PLACES.items():
        if here not in text:
            raise SiteError(f"zensical.toml has no line {here!r}")
        text = text.replace(here, there)
    target = root / STAGE.parent / "zensical.toml"
    target.write_text(text, encoding="utf-8")
    return target


def build(ref: str = "main", versioned: bool = False, root: Path = ROOT) -> None:
    """Lay the pages out, build them, and check what was built."""
    lay_out(ref, root)
    shutil.rmtree(root / HTML, ignore_errors=True)
    # Zensical's cache has no part of the code that the reference is made of.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "zensical",
            "build",
            "--strict",
            "--clean",
            "--config-file",
            str(_settings(versioned, root)),
        ],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    said = _COLORS.sub("", done.stdout + done.stderr)
    if done.returncode or _WARNED.search(said):
        raise SiteError(f"{said.partition('Traceback')[0]}\nthe site was not built: mend the warnings above")
    faults = check_site.faults(root / HTML)
    if faults:
        raise SiteError("\n".join([*faults, f"{len(faults)} faults in {HTML}"]))


def main() -> None:
    """Build the site and say where it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ref", default="main", help="branch or tag that links to the repository lead to")
    parser.add_argument("--versioned", action="store_true", help="with a menu of the versions on the same server")
    asked = parser.parse_args()
    build(asked.ref, asked.versioned)
    print(ROOT / HTML / "index.html")


if __name__ == "__main__":
    main()
