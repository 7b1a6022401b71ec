"""Materials of a Wavefront ``.obj``: its ``.mtl`` files and their textures, read here and served to the loader."""

import re

from ppkt_zoo.data.meshes.assets import Beside, texture_of
from ppkt_zoo.data.meshes.parts import Look
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.text import one_line

_LIBRARY = re.compile(rb"^[ \t]*mtllib[ \t]+(.+?)[ \t\r]*$", re.MULTILINE)
_FIRST_VERTEX = re.compile(rb"^[ \t]*v[ \t]+(.+?)[ \t\r]*$", re.MULTILINE)
_MOST_LIBRARIES, _MOST_MATERIALS = 100, 10_000
# Options of map_Kd that take so many words; what is behind them is the name of the file.
_OPTIONS = {
    "-o": 3, "-s": 3, "-t": 3, "-mm": 2, "-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-texres": 1, "-bm": 1,
    "-boost": 1, "-imfchan": 1, "-type": 1,
}  # fmt: skip


class ObjMaterials:
    """Looks by the names of materials; as a mapping of file names, it serves a ``.mtl`` that holds the names alone.

    Attributes:
        looks: name of a material → its look; empty where the vertices have colours and nothing has a texture.
        remarks: what could not be read, for warnings.
    """

    def __init__(self, content: bytes, where: str) -> None:
        self.where = where
        self.beside = Beside(where)
        self.looks: dict[str, Look] = {}
        self.remarks: list[str] = []
        for match in list(_LIBRARY.finditer(content))[:_MOST_LIBRARIES]:
            self._read(match[1].decode("utf-8", errors="replace"))
        first = _FIRST_VERTEX.search(content)
        colored = first is not None and len(first[1].split()) >= 6
        if colored and all(look.texture is None for look in self.looks.values()):
            self.looks = {}

    def __getitem__(self, name: str) -> bytes:
        return "\n".join(f"newmtl {one}" for one in self.looks).encode()

    get = __getitem__

    def keys(self) -> list[str]:
        """Names of files; none is listed."""
        return []

    def _read(self, name: str) -> None:
        try:
            content = self.beside.read(name)
            MAX_TEXT.check(len(content), f"{self.where}: its materials", InputError)
        except InputError as error:
            self.remarks.append(f"{error}; read without its materials")
            return
        current: str | None = None
        for line in content.decode("utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) < 2 or len(self.looks) > _MOST_MATERIALS:
                continue
            key = words[0].lower()
            if key == "newmtl":
                current = " ".join(words[1:])
                self.looks.setdefault(current, Look())
            elif current is not None and key == "kd":
                self.looks[current] = Look(self._color(words[1:4], current), self.looks[current].texture)
            elif current is not None and key == "map_kd":
                # The format multiplies both, but exporters write a grey Kd beside a texture; viewers show the texture.
                texture = self._texture(words[1:])
                if texture is not None:
                    self.looks[current] = texture
        for one, look in self.looks.items():
            if look.texture is not None:
                self.looks[one] = Look(texture=look.texture)

    def _color(self, words: list[str], material: str) -> tuple[int, int, int]:
        try:
            red, green, blue = (min(255, max(0, round(255 * float(word)))) for word in words)
        except (ValueError, OverflowError):
            self.remarks.append(
                f"the colour of material {one_line(material, 60)!r} is no three numbers: taken as white"
            )
            return 255, 255, 255
        return red, green, blue

    def _texture(self, words: list[str]) -> Look | None:
        while words and words[0].lower() in _OPTIONS:
            words = words[1 + _OPTIONS[words[0].lower()] :]
        name = " ".join(words)
        try:
            return Look(texture=texture_of(self.beside.read(name), str(self.beside.find(name))))
        except InputError as error:
            self.remarks.append(str(error))
            return None
