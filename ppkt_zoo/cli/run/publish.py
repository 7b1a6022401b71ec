"""A weight folder → a repository on the Hugging Face Hub, downloaded again and verified, and its manifest entry."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from ppkt_zoo.cli.answers.weights import Published
from ppkt_zoo.cli.run.steps import Steps
from ppkt_zoo.errors import InputError, ManifestError, WeightError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.writing import png_bytes
from ppkt_zoo.visualization.picture import feature_picture, feature_title
from ppkt_zoo.zoo.config import CARD, CONFIG, PICTURE, RECORD
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, weight_spec
from ppkt_zoo.zoo.hub import fetch_listed
from ppkt_zoo.zoo.load import verify
from ppkt_zoo.zoo.manifest import HubSource, Manifest, WeightSpec, load_manifest, to_json, with_weight, write_manifest
from ppkt_zoo.zoo.mirror import MIRROR, mirror_address
from ppkt_zoo.zoo.tensors import read_bytes
from ppkt_zoo.zoo.upload import check_target, upload_weight, what_forbids_publication

if TYPE_CHECKING:
    from ppkt_zoo.cli.weights import Publishing

# Stands in a dry run's entry where the commit will stand.
_NO_REVISION = "0" * 40


def publish_weight(given: "Publishing") -> Published:
    """Verify a weight folder, upload it, download it again by its new commit, verify that, and list it.

    The card's picture is drawn of the reference cloud's features.

    Raises:
        WeightError: the folder is damaged or its reference outputs differ, here or after the upload; or the Hub
            refuses.
        InputError, ManifestError: the repository's name, the tag or the manifest does not fit, a mirror is set, or
            the weight's record forbids a public repository.
    """
    folder, repo, manifest = given.folder, given.repo, given.manifest
    steps = Steps()
    opened = open_weight_folder(folder)
    record = opened.record()
    named = f"{opened.config.name}-{record.created.isoformat()}" if given.tag is None else given.tag
    told = f"{opened.config.name}: {record.description}" if given.message is None else given.message
    check_target(repo, named, told)
    forbidden = what_forbids_publication(record)
    if forbidden is not None and not given.private:
        raise InputError(
            f"{opened.config.name} must not go into a public repository: its {RECORD} forbids it ({forbidden}); "
            "--private publishes it in a private one"
        )
    if mirror_address() is not None and not given.dry_run:
        raise InputError(f"{MIRROR} is set, but a published weight is verified from the Hub itself: unset it")
    if manifest is not None:
        _check_manifest(manifest)
    with steps.step("weight", f"verifying {folder}") as step:
        step.text = str(verify(opened))
    with steps.step("card", "writing the card") as step:
        files = _files(opened, repo, not given.no_picture)
        size = sum(map(len, files.values())) / 1e6
        step.text = f"{len(files)} files, {size:.1f} MB: {', '.join(files)}"
    if given.dry_run:
        entry = weight_spec(opened, HubSource(repo=repo, revision=_NO_REVISION), files)
        nothing = f"dry run: nothing was uploaded; the target is {repo}, tag {named}"
        shown = map(Text, (files[CARD].decode(), to_json(entry), nothing))
        return _published(given, named, files, entry).told(*shown)
    with steps.step("upload", f"pushing to {repo}") as step:
        uploaded = upload_weight(files, repo, tag=named, message=told, private=given.private)
        step.text = f"{uploaded.url}, commit {uploaded.revision}, tag {uploaded.tag}"
    entry = weight_spec(opened, HubSource(repo=repo, revision=uploaded.revision), files)
    there = f"the files are at {uploaded.url}, commit {uploaded.revision}, tag {uploaded.tag}"
    with steps.step("check", "downloading and verifying it") as step, tempfile.TemporaryDirectory() as cache:
        try:
            step.text = str(verify(fetch_listed(entry, cache)))
        except WeightError as error:
            raise WeightError(f"{error}; {there}, but not listed in a manifest: try again with another --tag") from None
    if manifest is not None:
        with steps.step("manifest", "listing it") as step:
            try:
                known = load_manifest(manifest) if manifest.exists() else Manifest()
                write_manifest(with_weight(known, entry), manifest)
            except ManifestError as error:
                written = to_json(entry)
                raise ManifestError(f"{error}; {there}: add this entry to the manifest yourself: {written}") from None
            step.text = f"{manifest}: {entry.name} at {repo}@{uploaded.revision}"
    done = _published(given, named, files, entry, uploaded.url)
    return done if manifest is not None else done.told(Text(to_json(entry)))


def _published(
    given: "Publishing", tag: str, files: dict[str, bytes], entry: WeightSpec, url: str | None = None
) -> Published:
    return Published(
        repo=given.repo,
        tag=tag,
        dry_run=given.dry_run,
        url=url,
        sizes={name: len(content) for name, content in files.items()},
        entry=entry,
        card=files[CARD].decode(),
        manifest=None if given.dry_run else given.manifest,
    )


def _check_manifest(manifest: Path) -> None:
    """Better refused now than after the upload."""
    usable_path(manifest, ManifestError, "path of a manifest")
    if manifest.exists():
        load_manifest(manifest)
    if not os.access(manifest.absolute().parent, os.W_OK):
        raise ManifestError(f"{manifest}: its folder is not writable: give another --manifest")


def _files(folder: WeightFolder, repo: str, picture: bool) -> dict[str, bytes]:
    """Everything that lies in the repository, each file as config.json knows it, and the card last."""
    files = {CONFIG: read_bytes(folder.path / CONFIG)}
    files |= {name: folder.read(name) for name in folder.config.files}
    if picture:
        files[PICTURE] = _picture(folder)
    files[CARD] = folder.card(repo, PICTURE if picture else None).encode()
    return files


def _picture(folder: WeightFolder) -> bytes:
    cloud = folder.golden().cloud
    features = folder.backbone().encode(cloud.xyz, cloud.rgb)
    title = feature_title(folder.config.name, features.shape[1])
    rgb = None if cloud.rgb is None else cloud.rgb.numpy()
    return png_bytes(feature_picture(cloud.xyz.numpy(), rgb, features, title), optimize=True)
