"""``ppkt-zoo teacher …``: 2D teachers."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli_common import Group, say

teacher_app = typer.Typer(cls=Group, no_args_is_help=True, help="2D teachers: bring published files into reach.")


@teacher_app.command("import")
def import_teacher(
    source: Annotated[
        Path, typer.Argument(help="mobilenet_v2_1.0_224_quant.tflite or deeplabv3_mnv2_pascal_quant.tflite.")
    ],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Turn a published TFLite file into a teacher's safetensors file."""
    from ppkt_zoo.transfer.teacher_import import import_tflite

    done = import_tflite(source, out)
    say("written", "bold green", f"{done.file}: {done.layers} layers, dequantised")
    say("recipe", "bold green", f"architecture: {done.architecture}, weights: file, sha256: {done.sha256}")
