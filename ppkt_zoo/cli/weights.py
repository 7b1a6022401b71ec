"""``ppkt-zoo list | show | verify | fetch | cache | publish | convert``: weights and their files."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.group import Group
from ppkt_zoo.cli.known_names import weight_and_backbone_names, weight_names
from ppkt_zoo.cli.options import DeviceOption, EngineOption, out_option
from ppkt_zoo.cli.streams import talk_console

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
) -> Answer:
    """List the available weights, or the backbones."""
    from ppkt_zoo.cli.run import weights

    return weights.list_backbones(pattern) if what is What.backbones else weights.list_weights(pattern)


def show(
    name: Annotated[str, typer.Argument(help="A weight or a backbone.", autocompletion=weight_and_backbone_names)],
) -> Answer:
    """Show all about a weight: its results, how it was trained, its licence and limitations."""
    from ppkt_zoo.cli.run import weights

    return weights.show(name)


def verify(
    name: Annotated[
        str | None,
        typer.Argument(help="A weight; by default all bundled weights.", autocompletion=weight_names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight; downloads those on the Hub.")] = False,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> Answer:
    """Check a weight's checksums, and that it reproduces its reference outputs on this machine."""
    from ppkt_zoo.cli.run import weights

    return weights.verify(name, everything, engine, device)


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Names that `list` prints.", autocompletion=weight_names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Also copy weights of the Hub into this folder, in the layout of PPKT_ZOO_MIRROR."),
    ] = None,
) -> Answer:
    """Download weights for use offline; the checksum of every file is verified."""
    from ppkt_zoo.cli.run import weights

    return weights.fetch(names or [], everything, to)


def cache(
    clear: Annotated[
        list[KindName] | None, typer.Option(help="Remove everything of this kind; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
) -> Answer:
    """Show what is cached on this machine (weights, rendered rooms, features of teachers), or remove it.

    Weights of the Hub are in its shared cache (HF_HOME), the rest is under PPKT_ZOO_CACHE. What is removed is
    downloaded or computed again when it is needed.
    """
    from ppkt_zoo.cli.run import weights

    return weights.look_at_cache([one.value for one in clear or []], yes)


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
def publish(given: Publishing) -> Answer:
    """Verify a weight folder, upload it to the Hugging Face Hub, download it again, verify that, and list it.

    Log in first with `hf auth login`, or set HF_TOKEN.
    """
    from ppkt_zoo.cli.run.publish import publish_weight

    return publish_weight(given)


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
def minkowski(given: Foreign) -> Answer:
    """Convert a MinkowskiEngine checkpoint into a weight folder with reference outputs, without MinkowskiEngine."""
    from ppkt_zoo.cli.run.convert import convert_minkowski

    return convert_minkowski(given, talk_console())


@convert_app.command("spunet")
def spunet(
    weight: Annotated[
        str,
        typer.Argument(help="A name that `list` prints, local-dir:PATH or hf-hub:….", autocompletion=weight_names),
    ],
    out: Annotated[Path, out_option("A .safetensors.")],
) -> Answer:
    """Export an SR-UNet's tensors with the names and the layout of Pointcept's SpUNet (spconv)."""
    from ppkt_zoo.cli.run.convert import convert_to_spunet

    return convert_to_spunet(weight, out)
