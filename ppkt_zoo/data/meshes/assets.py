"""Files that a mesh names: materials, textures and buffers beside it, and never a file anywhere else."""

import base64
import binascii
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.image_file import open_image, upright
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES
from ppkt_zoo.files.reading import read_file, usable_path
from ppkt_zoo.files.text import one_line

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


class Beside:
    """The files in a mesh's own folder and below it."""

    def __init__(self, file: str) -> None:
        self.where = file
        self.folder = Path(file).parent

    def read(self, name: str) -> bytes:
        """The bytes of a file that the mesh names.

        Raises:
            InputError: it lies elsewhere (an address, an absolute path, a way out of the folder), is not there, or is
                too large.
        """
        path = self.find(name)
        return read_file(path, InputError, missing=f"{self.where} names this file, which is not there")

    def find(self, name: str) -> Path:
        """Where such a file lies; raises InputError where that is not in the mesh's folder or below it."""
        plain = name.strip().replace("\\", "/")
        shown = repr(one_line(name, 100))
        if _SCHEME.match(plain) or plain.startswith("/") or ".." in plain.split("/"):
            raise InputError(
                f"{self.where}: it names {shown}, which is not in its own folder: put the file there, and name it so"
            )
        path = usable_path(self.folder / plain, InputError, "file name")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(
                f"{self.where}: it names {shown}, which is a link out of its own folder: put the file there"
            )
        return path

    def linked(self, uri: str) -> bytes:
        """The bytes behind an address of glTF: written into it, or of a file beside it; errors as :meth:`read`."""
        if not uri.startswith("data:"):
            return self.read(unquote(uri))
        head, comma, body = uri.partition(",")
        MAX_BYTES.check(len(body), f"{self.where}: the data in its addresses", InputError)
        if not comma or not head.endswith(";base64"):
            raise InputError(f"{self.where}: an address begins with {one_line(head, 60)!r}, which is no base64 data")
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise InputError(
                f"{self.where}: the data in one of its addresses are damaged: they are no base64"
            ) from None


def texture_of(content: bytes, where: str) -> NDArray[np.uint8]:
    """A PNG or JPEG as sRGB, uint8 (H, W, 3); alpha is left out.

    Raises:
        InputError: another format, damaged, or too large.
    """
    image, turn = open_image(content, where, "texture")
    return upright(np.asarray(image.convert("RGB")), turn)
