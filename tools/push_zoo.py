"""Push every bundled weight to an organisation on the Hugging Face Hub: one repository and one commit for each.

python tools/push_zoo.py ppkt-zoo                                   # a dry run: verifies everything, sends nothing
python tools/push_zoo.py ppkt-zoo --push --manifest hub_manifest.json
python tools/push_zoo.py ppkt-zoo --push sr_unet14_small.ppkt_voc   # some of them

Every folder is verified before it is sent; what was sent is downloaded by its commit and verified again, and its name
with that commit is printed: `hf-hub:ORGANISATION/NAME@COMMIT`, which is what the manifest's entry names.

The commit's tag is made of what is in it. A run that was interrupted goes on where it stopped: what lies there under
its tag is not sent again. One weight's trouble does not keep the others; it is told at the end, with exit code 2.
Log in first with `hf auth login`, or set HF_TOKEN; HF_ENDPOINT holds.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.text import one_line
from ppkt_zoo.files.writing import png_bytes
from ppkt_zoo.visualization.picture import feature_picture, feature_title
from ppkt_zoo.zoo.config import CARD, CONFIG, PICTURE
from ppkt_zoo.zoo.folder import WeightFolder, weight_spec
from ppkt_zoo.zoo.hub import fetch_listed
from ppkt_zoo.zoo.load import list_weights, open_weight, verify
from ppkt_zoo.zoo.manifest import HubSource, Manifest, WeightSpec, load_manifest, with_weight, write_manifest
from ppkt_zoo.zoo.tensors import read_bytes
from ppkt_zoo.zoo.upload import check_target, tags_of, upload_weight, what_forbids_publication


def main(arguments: Sequence[str] | None = None) -> int:
    """Go through the weights; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("organisation", help="whose repositories they become")
    parser.add_argument("weights", nargs="*", help="names of weights; all bundled ones by default")
    parser.add_argument("--push", action="store_true", help="send them; without it nothing is sent")
    parser.add_argument("--private", action="store_true", help="only into private repositories")
    parser.add_argument("--no-picture", action="store_true", help="draw no picture for the cards")
    parser.add_argument("--manifest", type=Path, help="a manifest that gets the entry of each weight that lies there")
    asked = parser.parse_intermixed_args(arguments)
    troubles = []
    for name in asked.weights or list_weights():
        try:
            if asked.push:
                entry = push(name, asked.organisation, asked.private, not asked.no_picture)
                if asked.manifest is not None:
                    known = load_manifest(asked.manifest) if asked.manifest.exists() else Manifest()
                    write_manifest(with_weight(known, entry), asked.manifest)
            else:
                rehearse(name, asked.organisation, asked.private, not asked.no_picture)
        except PPKTZooError as error:
            troubles.append(f"{name}: {error}")
    for trouble in troubles:
        print(f"error: {trouble}", file=sys.stderr)
    if not asked.push:
        print("dry run: nothing was sent; --push sends it", file=sys.stderr)
    return 2 if troubles else 0


def rehearse(name: str, organisation: str, private: bool, picture: bool) -> None:
    """All that can be checked without asking the Hub."""
    folder, repo = _checked(name, organisation, private)
    files = _files(folder, repo, picture)
    size = sum(map(len, files.values())) / 1e6
    print(f"{name} -> {repo}, tag {_tag(files)}: {len(files)} files, {size:.1f} MB", flush=True)


def push(name: str, organisation: str, private: bool, picture: bool) -> WeightSpec:
    """Send a weight, unless it lies there already; its entry for the manifest, downloaded and verified."""
    folder, repo = _checked(name, organisation, private)
    files = _files(folder, repo, picture)
    tag = _tag(files)
    commit, state = tags_of(repo).get(tag), "there already"
    if commit is None:
        message = one_line(f"{name}: {folder.record().description}")
        commit = upload_weight(files, repo, tag=tag, message=message, private=private).revision
        state = "pushed"
    entry = weight_spec(folder, HubSource(repo=repo, revision=commit), files)
    with tempfile.TemporaryDirectory() as cache:
        verify(fetch_listed(entry, cache))
    print(f"hf-hub:{repo}@{commit}  {state}", flush=True)
    return entry


def _checked(name: str, organisation: str, private: bool) -> tuple[WeightFolder, str]:
    folder, repo = open_weight(name), f"{organisation}/{name}"
    check_target(repo, None)
    forbidden = what_forbids_publication(folder.record())
    if forbidden is not None and not private:
        raise InputError(f"its record forbids a public repository ({forbidden}): --private makes a private one")
    print(verify(folder), file=sys.stderr, flush=True)
    return folder, repo


def _files(folder: WeightFolder, repo: str, picture: bool) -> dict[str, bytes]:
    """Everything that lies in the repository."""
    files = {CONFIG: read_bytes(folder.path / CONFIG)} | {name: folder.read(name) for name in folder.config.files}
    if not picture:
        return files | {CARD: folder.card(repo).encode()}
    cloud = folder.golden().cloud
    features = folder.backbone().encode(cloud.xyz, cloud.rgb)
    rgb, title = None if cloud.rgb is None else cloud.rgb.numpy(), feature_title(folder.config.name, features.shape[1])
    files[PICTURE] = png_bytes(feature_picture(cloud.xyz.numpy(), rgb, features, title), optimize=True)
    return files | {CARD: folder.card(repo, PICTURE).encode()}


def _tag(files: dict[str, bytes]) -> str:
    """A name for exactly these files: the configuration has the hash of every one but the card and its picture."""
    return f"zoo-{hashlib.sha256(files[CONFIG] + files[CARD]).hexdigest()[:12]}"


if __name__ == "__main__":
    sys.exit(main())
