"""``ppkt-zoo list | show | verify | fetch | cache | publish | convert``: weights and their files."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ppkt_zoo.cli.declare import with_options
from ppkt_zoo.cli.group import FAILED, Group
from ppkt_zoo.cli.options import DeviceOption, EngineOption, out_option
from ppkt_zoo.cli.streams import new_console, on_terminal, say, talk_console, tell_written
from ppkt_zoo.errors import InputError, PPKTZooError, UnknownNameError
from ppkt_zoo.files.text import unbroken

# What `list` lists, and what the local cache holds.
What = StrEnum("What", "weights backbones")
KindName = StrEnum("KindName", "hub mirror rooms teacher")


class DialectName(StrEnum):
    """Who saved a checkpoint."""

    pointcontrast = "pointcontrast"
    csc = "csc"
    slidr = "slidr"


def list_command(
    what: Annotated[What, typer.Argument(help="Pretrained weights, or network architectures.")] = What.weights,
    pattern: Annotated[str, typer.Argument(metavar="FILTER", help="A wildcard, such as 'sr_unet14*'.")] = "*",
) -> None:
    """List the available weights, or the backbones."""
    from ppkt_zoo.cli.run import tables

    console = new_console()
    if what is What.backbones:
        found = tables.backbones_table(pattern)
    else:
        found = tables.weights_table(pattern) if on_terminal(console) else tables.weights_lines(pattern)
    if found.row_count == 0:
        hint = "" if pattern == "*" else f" that matches {pattern!r}"
        console.print(f"no {what.value.rstrip('s')} is listed{hint}", markup=False)
    else:
        console.print(found)


def show(name: Annotated[str, typer.Argument(help="A weight or a backbone.")]) -> None:
    """Show all about a weight: its results, how it was trained, its licence and limitations."""
    from ppkt_zoo.cli.run import tables

    new_console().print(tables.show_table(name))


def verify(
    name: Annotated[str | None, typer.Argument(help="A weight; by default all bundled weights.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight; downloads those on the Hub.")] = False,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Check a weight's checksums, and that it reproduces its reference outputs on this machine."""
    from ppkt_zoo.zoo.load import verify as verify_weight
    from ppkt_zoo.zoo.manifest import BundledSource, load_manifest

    if name is not None and everything:
        raise UnknownNameError(f"give the name {name!r} or --all, not both")
    listed = load_manifest().weights
    names = [name] if name else [one.name for one in listed if everything or isinstance(one.source, BundledSource)]
    console = new_console()
    failed: list[str] = []
    for one in names:
        try:
            console.print(Text.assemble(("✓ ", "bold green"), str(verify_weight(one, engine=engine, device=device))))
        except PPKTZooError as error:
            if name is not None:
                raise
            say("error", "bold red", error)
            failed.append(one)
    if not names:
        console.print("no weight is listed yet: nothing to verify")
    if failed:
        raise typer.Exit(FAILED)


def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Names that `list` prints.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Also copy weights of the Hub into this folder, in the layout of PPKT_ZOO_MIRROR."),
    ] = None,
) -> None:
    """Download weights for use offline; the checksum of every file is verified."""
    from ppkt_zoo.zoo.local_cache import fetch_weights
    from ppkt_zoo.zoo.manifest import load_manifest

    if bool(names) == everything:
        raise InputError("give names of weights, or --all")
    console = new_console()
    for spec, path in fetch_weights(load_manifest(), names or [], to):
        size = sum(entry.size for entry in spec.files.values()) / 1e6
        console.print(f"{spec.name}: {size:.1f} MB, {unbroken(path)}", markup=False, soft_wrap=True)


def cache(
    clear: Annotated[
        list[KindName] | None, typer.Option(help="Remove everything of this kind; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> None:
    """Show what is cached on this machine (weights, rendered rooms, features of teachers), or remove it.

    Weights of the Hub are in its shared cache (HF_HOME), the rest is under PPKT_ZOO_CACHE. What is removed is
    downloaded or computed again when it is needed.
    """
    from ppkt_zoo.cli.run.tables import cache_table
    from ppkt_zoo.zoo.local_cache import clear as remove
    from ppkt_zoo.zoo.local_cache import list_kept

    console = new_console()
    kinds = [one.value for one in clear or []]
    kept = [one for one in list_kept() if not kinds or one.kind in kinds]
    console.print(cache_table(kept))
    if kinds and kept and (yes or typer.confirm("remove these?")):
        console.print(f"removed {len(remove(kinds))}", markup=False)


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """What is published, and how: each field is an option of ``publish``."""

    folder: Annotated[Path, typer.Argument(help="The weight folder.")]
    repo: Annotated[str, typer.Option(help="OWNER/NAME; created if it does not exist.")]
    private: Annotated[bool, typer.Option("--private", help="Only into a private repository.")] = False
    tag: Annotated[str | None, typer.Option(help="Tag of the commit; NAME-CREATED by default.")] = None
    message: Annotated[str | None, typer.Option(help="Message of the commit.")] = None
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw no picture for the model card.")] = False
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest that gets the weight's entry; by default it is printed.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show everything, upload nothing.")] = False


@with_options()
def publish(given: Publishing) -> None:
    """Verify a weight folder, upload it to the Hugging Face Hub, download it again, verify that, and list it.

    Log in first with `hf auth login`, or set HF_TOKEN.
    """
    from ppkt_zoo.cli.run.publish import publish_weight

    publish_weight(given, new_console())


convert_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Import weights of other projects, and export ours for theirs."
)


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A checkpoint and what it does not tell: each field is an option of ``convert minkowski``."""

    file: Annotated[Path, typer.Argument(help="A .pth or safetensors file of a Res16UNet.")]
    arch: Annotated[str, typer.Option(help="sr_unet14, sr_unet18, sr_unet34 (Res16UNet34C), or sr_unet for any.")]
    dialect: Annotated[DialectName, typer.Option(help="Project that saved it; the file does not tell.")]
    voxel: Annotated[float, typer.Option(help="Voxel size of its pretraining in metres.")]
    origin: Annotated[str, typer.Option(help="Where the file comes from, for the record.")]
    licence: Annotated[str, typer.Option(help="Licence of the weights, as their authors state it.")]
    out: Annotated[Path, out_option("The weight folder.")]
    tag: Annotated[str | None, typer.Option(help="Second part of the weight's name; the dialect by default.")] = None
    channels: Annotated[str, typer.Option(help="Input channels in order: red, green, blue, ones.")] = "red,green,blue"
    color_range: Annotated[str, typer.Option(help="Values of black and white in its pretraining: LOW,HIGH.")] = (
        "-0.5,0.5"
    )
    about: Annotated[
        Path | None, typer.Option(help="A YAML file with fields of the record: description, data, citation, …")
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing weight folder.")] = False


@convert_app.command("minkowski")
@with_options()
def minkowski(given: Foreign) -> None:
    """Convert a MinkowskiEngine checkpoint into a weight folder with reference outputs, without MinkowskiEngine."""
    from ppkt_zoo.cli.run.convert import convert_minkowski

    convert_minkowski(given, talk_console())
    tell_written(given.out)


@convert_app.command("spunet")
def spunet(
    weight: Annotated[str, typer.Argument(help="A name that `list` prints, local-dir:PATH or hf-hub:….")],
    out: Annotated[Path, out_option("A .safetensors.")],
) -> None:
    """Export an SR-UNet's tensors with the names and the layout of Pointcept's SpUNet (spconv)."""
    from ppkt_zoo.cli.run.convert import convert_to_spunet

    tensors = convert_to_spunet(weight, out)
    say("written", "bold green", f"{out}: {len(tensors)} tensors; examples/spunet_in_spconv.py is a network for them")
    tell_written(out)
