"""``ppkt-zoo convert …``: weights from other projects into the zoo, and back."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ppkt_zoo.cli.options import Group, numbers, say, talk_console, tell_written

convert_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Weights of other projects into weight folders, and ours into their names."
)


class DialectName(StrEnum):
    """Who saved a checkpoint."""

    pointcontrast = "pointcontrast"
    csc = "csc"
    slidr = "slidr"


@convert_app.command("minkowski")
def minkowski(
    file: Annotated[Path, typer.Argument(help="A .pth or safetensors of a Res16UNet.")],
    arch: Annotated[str, typer.Option(help="sr_unet14, sr_unet18, sr_unet34 (Res16UNet34C), or sr_unet for any.")],
    dialect: Annotated[DialectName, typer.Option(help="Who saved it; nothing in the file tells.")],
    voxel: Annotated[float, typer.Option(help="Edge of a voxel in its pretraining, metres.")],
    origin: Annotated[str, typer.Option(help="Where the file comes from, for the record.")],
    licence: Annotated[str, typer.Option(help="Of the weights, as their authors give it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The weight folder.")],
    tag: Annotated[str | None, typer.Option(help="Second half of the weight's name; the dialect by default.")] = None,
    channels: Annotated[str, typer.Option(help="What the stem takes, in order: red, green, blue, ones.")] = (
        "red,green,blue"
    ),
    color_range: Annotated[str, typer.Option(help="What black and white were in its pretraining: LOW,HIGH.")] = (
        "-0.5,0.5"
    ),
    about: Annotated[
        Path | None, typer.Option(help="A YAML with fields of the record: description, data, citation, …")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a weight folder that is there.")] = False,
) -> None:
    """Turn a MinkowskiEngine checkpoint into a weight folder with golden output; MinkowskiEngine is not needed."""
    from ppkt_zoo.cli.run.convert import convert_minkowski

    convert_minkowski(
        file,
        out,
        architecture=arch,
        dialect=dialect.value,
        voxel_size=voxel,
        tag=dialect.value if tag is None else tag,
        origin=origin,
        licence=licence,
        channels=tuple(part.strip() for part in channels.split(",")),
        color_range=numbers("--color-range", color_range, "-0.5,0.5"),
        about=_fields(about),
        overwrite=overwrite,
        console=talk_console(),
    )
    tell_written(out)


@convert_app.command("spunet")
def spunet(
    weight: Annotated[str, typer.Argument(help="A name of `list weights`, local-dir:PATH or hf-hub:….")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .safetensors.")],
) -> None:
    """Write an SR-UNet's tensors under the names and in the layout of Pointcept's SpUNet (spconv)."""
    from ppkt_zoo.cli.run.convert import convert_to_spunet

    tensors = convert_to_spunet(weight, out)
    say("written", "bold green", f"{out}: {len(tensors)} tensors; examples/spunet_in_spconv.py is a network for them")
    tell_written(out)


def _fields(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    from ppkt_zoo.engine.recipes import parse_yaml
    from ppkt_zoo.errors import InputError

    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is no YAML: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold fields of a record, such as 'description: …'")
    return content
