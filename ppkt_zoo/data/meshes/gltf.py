"""glTF 2.0, as one ``.gltf`` or ``.glb``: held against its limits, and cut down to what a mesh loader needs.

What a file says is checked before anything is allocated for it: how much its accessors and its scene would take, that
its nodes form a tree, that nothing in it needs an extension that nobody here knows. What is handed on holds meshes,
nodes and materials' names; textures are decoded by our own opener. Source: Khronos, glTF 2.0 specification.
"""

import json
import struct
from typing import Any

import numpy as np

from ppkt_zoo.data.meshes.assets import Beside, texture_of
from ppkt_zoo.data.meshes.parts import Look
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, MAX_MESHES
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.text import one_line

_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
# Extensions that change neither where a surface is nor its base colour.
_HARMLESS = ("KHR_materials_", "KHR_lights_", "KHR_xmp", "KHR_animation_", "EXT_mesh_gpu")
_NOT_HARMLESS = ("KHR_materials_pbrSpecularGlossiness", "KHR_materials_variants")
_DEEPEST = 100
_TRIANGLES = (4, 5)
_POINTS = 0
# What a vertex and a corner of a triangle take while they are read.
_VERTEX_BYTES, _CORNER_BYTES = 120, 16


class Gltf:
    """A file's description, checked.

    Attributes:
        tree: the JSON, cut down; materials are named by their number.
        buffers: the bytes behind each buffer.
        looks: of each material.
        remarks: what could not be read as it was meant, for warnings.
    """

    def __init__(self, content: bytes, where: str) -> None:
        self.where = where
        self.beside = Beside(where)
        self.remarks: list[str] = []
        text, binary = _chunks(content, where) if content[:4] == b"glTF" else (content, None)
        tree = parse_json(text, where, InputError)
        try:
            self._check_version(tree)
            self.buffers = self._read_buffers(tree, binary)
            self._check_accessors(tree)
            self._check_nodes(tree)
            self.looks = [self._look(one, tree) for one in tree.get("materials", [])]
            self.tree = self._cut_down(tree)
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where}: this glTF file is damaged ({type(error).__name__}: {error})") from error

    def as_glb(self) -> bytes:
        """A file of one chunk of JSON and one of bytes, for the loader."""
        text = json.dumps(self.tree).encode()
        text += b" " * (-len(text) % 4)
        body = b"".join(self.buffers)
        body += bytes(-len(body) % 4)
        total = 12 + 8 + len(text) + 8 + len(body)
        MAX_BYTES.check(total, f"{self.where}: its buffers", InputError)
        head = b"glTF" + struct.pack("<II", 2, total) + struct.pack("<II", len(text), _JSON)
        return b"".join([head, text, struct.pack("<II", len(body), _BINARY), body])

    def _check_version(self, tree: Any) -> None:
        version = str(tree.get("asset", {}).get("version", "2.0"))
        if not version.startswith("2."):
            raise InputError(f"{self.where}: glTF {one_line(version, 20)} is not read: save it as glTF 2.0")
        for name in tree.get("extensionsRequired", []):
            if not str(name).startswith(_HARMLESS) or name in _NOT_HARMLESS:
                raise InputError(
                    f"{self.where}: it needs the extension {one_line(name, 60)}, which is not read: export it without "
                    "compression and extensions, or as .obj or .ply"
                )

    def _read_buffers(self, tree: Any, binary: bytes | None) -> list[bytes]:
        found, total = [], 0
        for number, one in enumerate(tree.get("buffers", [])):
            if "uri" not in one and (number or binary is None):
                raise InputError(f"{self.where}: buffer {number} has no data: the file is damaged")
            content = binary if "uri" not in one else self.beside.linked(one["uri"])
            assert content is not None
            if not 0 <= one["byteLength"] <= len(content):
                raise InputError(
                    f"{self.where}: buffer {number} has {len(content)} bytes where {one['byteLength']} are announced: "
                    "the file is cut short"
                )
            total += len(content)
            MAX_BYTES.check(total, f"{self.where}: its buffers", InputError)
            found.append(content)
        for view in tree.get("bufferViews", []):
            start, size = view.get("byteOffset", 0), view["byteLength"]
            if start < 0 or size < 0 or start + size > len(found[_place(view["buffer"])]):
                raise InputError(f"{self.where}: a view of its buffers ends behind them: the file is damaged")
        return found

    def _check_accessors(self, tree: Any) -> None:
        total = 0
        for one in tree.get("accessors", []):
            if "sparse" in one:
                raise InputError(f"{self.where}: sparse accessors are not read: export the mesh without them")
            if not isinstance(one["count"], int) or one["count"] < 1:
                raise InputError(f"{self.where}: an accessor of {one['count']!r} rows: the file is damaged")
            total += one["count"] * _WIDTHS[one["type"]] * _COMPONENTS[one["componentType"]]
        MAX_BYTES.check(total, f"{self.where}: its accessors", InputError)

    def _check_nodes(self, tree: Any) -> None:
        """Nodes must form trees, not too deep, and show no more of the meshes than memory holds."""
        nodes = tree.get("nodes", [])
        parents: dict[int, int] = {}
        for number, one in enumerate(nodes):
            for child in one.get("children", []):
                if not 0 <= child < len(nodes) or child in parents:
                    raise InputError(f"{self.where}: node {child} has two parents, or is not there: nodes form trees")
                parents[child] = number
        depth: dict[int, int] = {}
        waiting = [(root, 1) for root in range(len(nodes)) if root not in parents]
        while waiting:
            number, deep = waiting.pop()
            depth[number] = deep
            if deep > _DEEPEST:
                raise InputError(f"{self.where}: its nodes are nested deeper than {_DEEPEST}: the file is damaged")
            waiting += [(child, deep + 1) for child in nodes[number].get("children", [])]
        if len(depth) < len(nodes):
            raise InputError(f"{self.where}: some of its nodes are their own parents: the file is damaged")
        sizes = [sum(self._size_of(one, tree) for one in mesh["primitives"]) for mesh in tree.get("meshes", [])]
        counts = [len(mesh["primitives"]) for mesh in tree.get("meshes", [])]
        parts = sum(counts) + sum(counts[_place(node["mesh"])] for node in nodes if "mesh" in node)
        MAX_MESHES.check(parts, f"{self.where}: its scene", InputError)
        shown = sum(sizes[_place(node["mesh"])] for node in nodes if "mesh" in node)
        MAX_BYTES.check(sum(sizes) + shown, f"{self.where}: its meshes, as often as the scene shows them,", InputError)

    def _size_of(self, primitive: Any, tree: Any) -> int:
        accessors = tree["accessors"]
        vertices = accessors[_place(primitive["attributes"]["POSITION"])]["count"]
        corners = accessors[_place(primitive["indices"])]["count"] if "indices" in primitive else vertices
        return int(vertices * _VERTEX_BYTES + corners * 3 * _CORNER_BYTES)

    def _look(self, material: Any, tree: Any) -> Look:
        base = material.get("pbrMetallicRoughness", {})
        if "KHR_materials_pbrSpecularGlossiness" in material.get("extensions", {}):
            other = material["extensions"]["KHR_materials_pbrSpecularGlossiness"]
            base = {"baseColorFactor": other.get("diffuseFactor", [1, 1, 1])}
            base |= {"baseColorTexture": other["diffuseTexture"]} if "diffuseTexture" in other else {}
        factor = np.asarray(base.get("baseColorFactor", [1, 1, 1]), dtype=float)[:3]
        if factor.shape != (3,) or not np.isfinite(factor).all():
            raise ValueError("a material's colour is no three numbers")
        color = np.rint(_to_srgb(np.clip(factor, 0, 1)) * 255).astype(int).tolist()
        texture = None
        if "baseColorTexture" in base:
            texture = self._texture(base["baseColorTexture"], tree)
        return Look((color[0], color[1], color[2]), texture)

    def _texture(self, use: Any, tree: Any) -> np.ndarray | None:
        if "KHR_texture_transform" in use.get("extensions", {}) or use.get("texCoord", 0) != 0:
            self._remark("a texture is moved on its surface (KHR_texture_transform, or a second set of places)")
            return None
        source = tree["textures"][_place(use["index"])].get("source")
        if source is None:
            self._remark("a texture is stored in a form that is not read (WebP, KTX2): save textures as PNG or JPEG")
            return None
        image = tree["images"][_place(source)]
        try:
            content = (
                self._view(tree, image["bufferView"]) if "bufferView" in image else self.beside.linked(image["uri"])
            )
            return texture_of(content, f"{self.where}, image {source}")
        except InputError as error:
            self._remark(str(error))
            return None

    def _view(self, tree: Any, number: int) -> bytes:
        view = tree["bufferViews"][_place(number)]
        start = view.get("byteOffset", 0)
        return self.buffers[view["buffer"]][start : start + view["byteLength"]]

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def _cut_down(self, tree: Any) -> dict[str, Any]:
        """Only what says where surfaces are, with all buffers as one."""
        starts = np.cumsum([0, *map(len, self.buffers)]).tolist()
        views = [
            {**_kept(view, "byteLength byteStride"), "buffer": 0}
            | {"byteOffset": starts[view["buffer"]] + view.get("byteOffset", 0)}
            for view in tree.get("bufferViews", [])
        ]
        meshes: list[dict[str, Any]] = []
        places: list[range] = []
        for mesh in tree.get("meshes", []):
            places.append(range(len(meshes), len(meshes) + len(mesh["primitives"])))
            meshes += [{"primitives": [self._primitive(one)]} for one in mesh["primitives"]]
        nodes = tree.get("nodes", [])
        scenes = tree.get("scenes", [])
        below = {child for node in nodes for child in node.get("children", [])}
        roots = [number for number in range(len(nodes)) if number not in below]
        if scenes:
            roots = scenes[_place(tree.get("scene", 0))].get("nodes", [])
            if not all(0 <= root < len(nodes) for root in roots) or len(set(roots)) < len(roots):
                raise ValueError("the scene names nodes that are not there")
        kept = "matrix translation rotation scale"
        placed: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        for node in nodes:
            parts = places[_place(node["mesh"])] if "mesh" in node else range(0)
            # A node for each part: a loader would make up names of its own for them, at random.
            first = len(nodes) + len(shown)
            shown += [{"mesh": part} for part in parts]
            children = [*node.get("children", []), *range(first, first + len(parts))]
            placed.append(_kept(node, kept) | ({"children": children} if children else {}))
        return {
            "asset": {"version": "2.0"},
            "buffers": [{"byteLength": starts[-1]}],
            "bufferViews": views,
            "accessors": tree.get("accessors", []),
            "materials": [{"name": f"{number}"} for number in range(len(self.looks))],
            "meshes": meshes,
            "nodes": [{**node, "name": f"{number:08}"} for number, node in enumerate([*placed, *shown])],
            "scenes": [{"nodes": roots}],
            "scene": 0,
        }

    def _primitive(self, primitive: Any) -> dict[str, Any]:
        mode = primitive.get("mode", 4)
        if mode not in (*_TRIANGLES, _POINTS):
            self._remark("lines and triangle fans are left out")
        if any(name.startswith("KHR_draco") for name in primitive.get("extensions", {})):
            raise InputError(
                f"{self.where}: its meshes are compressed (Draco), which is not read: export it without compression"
            )
        if not 0 <= primitive.get("material", 0) < max(1, len(self.looks)):
            raise ValueError("a mesh names a material that is not there")
        attributes = _kept(primitive["attributes"], "POSITION TEXCOORD_0 COLOR_0")
        if "material" in primitive and not self.looks:
            raise ValueError("a mesh names a material that is not there")
        return {**_kept(primitive, "indices mode material"), "attributes": attributes}


def _chunks(content: bytes, where: str) -> tuple[bytes, bytes | None]:
    """The JSON and the bytes of a ``.glb``."""
    if len(content) < 20:
        raise InputError(f"{where}: this .glb is cut short: {len(content)} bytes are less than its header")
    version, total = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise InputError(f"{where}: glTF {version} is not read: save it as glTF 2.0")
    if total > len(content):
        raise InputError(f"{where}: this .glb is cut short: {len(content)} bytes where its header announces {total}")
    parts: dict[int, bytes] = {}
    at = 12
    while at + 8 <= total:
        size, kind = struct.unpack_from("<II", content, at)
        if at + 8 + size > len(content):
            raise InputError(f"{where}: this .glb is damaged: a part of {size} bytes ends behind the file")
        parts.setdefault(kind, content[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in parts:
        raise InputError(f"{where}: this .glb is damaged: it has no description in JSON")
    return parts[_JSON], parts.get(_BINARY)


def _kept(fields: Any, names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names.split() if name in fields}


def _place(number: Any) -> int:
    """A place in a list; Python would count negative ones from its end."""
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} is no place in a list")
    return number


def _to_srgb(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: glTF gives materials' colours as amounts of light, textures and screens hold sRGB."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
