"""Files of meshes → parts, by trimesh; what it would pass over in silence is looked at before and told."""

import io
import logging
import re
import struct
import warnings
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.meshes.gltf import Gltf
from ppkt_zoo.data.meshes.obj import ObjMaterials
from ppkt_zoo.data.meshes.parts import Look, MeshFile, Part
from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import read_file, usable_path
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.ply import parse_ply
from ppkt_zoo.points.files.ply_header import parse_header

#: Endings of files that are meshes and nothing else. A ``.ply`` may be a mesh too.
MESH_ENDINGS = (".glb", ".gltf", ".obj", ".stl", ".off")
# What trimesh and numpy raise on damaged files.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NameError, NotImplementedError, OSError,
    RecursionError, SyntaxError, TypeError, ValueError, struct.error,
)  # fmt: skip
_SILENT = logging.NullHandler()
_OFF = re.compile(rb"\s*(?:#[^\n]*\s*)*(ST)?(C)?(N)?(4)?(n)?OFF\b")


def load_mesh(path: Path | str) -> MeshFile:
    """Read the meshes of a file: ``.glb``, ``.gltf``, ``.obj`` (with its materials), ``.stl``, ``.off``, ``.ply``.

    Every node of a scene is placed by its transform, as often as the scene shows it.

    Raises:
        InputError: no such file, it is damaged, claims more than the limits allow, needs an extension that is not
            read, or holds no surface; or trimesh is not installed. The message names the file.

    Warns:
        InputWarning: textures or materials that are missing or cannot be read, lines, colours of OFF.
    """
    file = usable_path(path, InputError)
    return parse_mesh(read_file(file, InputError, missing="no such file"), str(file))


def parse_mesh(content: bytes, where: str) -> MeshFile:
    """The meshes in a file's bytes; errors and warnings as :func:`load_mesh`."""
    trimesh = need("trimesh", "mesh", f"{where}: reading meshes", InputError)
    # What it says is for its developers; whoever sets up a logger of this name gets it.
    logging.getLogger("trimesh").addHandler(_SILENT)
    ending = PurePath(where).suffix.lower()
    if not content:
        raise InputError(f"{where}: the file is empty")
    looks: dict[str, Look] = {}
    options: dict[str, Any] = {}
    unit = up = None
    kind = ending[1:]
    if kind in ("glb", "gltf"):
        description = Gltf(content, where)
        _warn(where, description.remarks)
        looks = {str(number): look for number, look in enumerate(description.looks)}
        content, kind, unit, up = description.as_glb(), "glb", "m", "y"
    elif kind == "obj":
        materials = ObjMaterials(content, where)
        _warn(where, materials.remarks)
        looks, options = materials.looks, {"resolver": materials, "skip_materials": not materials.looks}
    elif kind == "off":
        _check_off(content, where)
    elif kind == "ply":
        parse_header(content, where)
    with memory_named(where, InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scene = trimesh.load_scene(io.BytesIO(content), file_type=kind, process=False, **options)
            parts = tuple(_parts(scene, looks))
        except _DAMAGE as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{where}: this .{ending[1:]} is damaged, or no mesh ({type(error).__name__}: {one_line(error, 200)})"
            ) from error
    if kind == "ply":
        parts = _own_colors(parts, content, where)
    return _checked(MeshFile(where, parts, unit, up))


def _parts(scene: Any, looks: dict[str, Look]) -> list[Part]:
    found = []
    # By their names, so that the order of the points hangs on the file alone.
    for node in sorted(scene.graph.nodes_geometry):
        transform, name = scene.graph[node]
        one = scene.geometry[name]
        matrix = np.asarray(transform, dtype=np.float64)
        vertices = np.asarray(one.vertices, dtype=np.float64).reshape(-1, 3)
        vertices = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        faces = np.asarray(getattr(one, "faces", np.empty((0, 3))), dtype=np.int64).reshape(-1, 3)
        if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
            raise ValueError("a triangle names a vertex that is not there")
        colors, uv, look = _appearance(one, looks, len(vertices))
        found.append(Part(vertices, faces, colors, uv, look))
    return found


def _appearance(
    one: Any, looks: dict[str, Look], count: int
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float64] | None, Look | None]:
    """Colours of vertices, places in a texture, and the look of the material."""
    visual = getattr(one, "visual", None)
    if visual is None:  # points alone
        return _rgb(np.asarray(getattr(one, "colors", [])), count), None, None
    kind = getattr(visual, "kind", None)
    if kind in ("vertex", "face"):
        return _rgb(np.asarray(visual.vertex_colors), count), None, None
    if kind != "texture":
        return None, None, None
    attributes = getattr(visual, "vertex_attributes", None) or {}
    colors = _rgb(np.asarray(attributes["color"]), count) if "color" in attributes else None
    uv = None if visual.uv is None else np.asarray(visual.uv, dtype=np.float64)
    fits = uv is not None and uv.shape == (count, 2)
    return colors, uv if fits else None, looks.get(str(getattr(visual.material, "name", None)))


def _rgb(colors: NDArray[Any], count: int) -> NDArray[np.uint8] | None:
    """Colours uint8 (V, 3) of whole numbers, or of floats in [0, 1]; None where there are none."""
    if colors.ndim != 2 or colors.shape[0] != count or colors.shape[1] < 3 or not count:
        return None
    colors = colors[:, :3]
    if colors.dtype == np.uint8:
        return np.ascontiguousarray(colors)
    scale = 255.0 if colors.dtype.kind == "f" else 255.0 / np.iinfo(colors.dtype).max
    return np.clip(np.rint(np.nan_to_num(colors * scale)), 0, 255).astype(np.uint8)


def _own_colors(parts: tuple[Part, ...], content: bytes, where: str) -> tuple[Part, ...]:
    """Colours of a ``.ply`` by the one rule of all point files: 16 bits, floats, any names."""
    from ppkt_zoo.points.files.colors import as_uint8

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is a mesh, which is known here
        xyz, colors = parse_ply(content, where)
    if len(parts) != 1 or colors is None or len(parts[0].vertices) != len(xyz):
        return parts
    return (Part(parts[0].vertices, parts[0].faces, as_uint8(colors, where)),)


def _check_off(content: bytes, where: str) -> None:
    found = _OFF.match(content[:4096])
    if found is None or found[1] or found[4] or found[5]:
        raise InputError(f"{where}: not an OFF file that is read: it must begin with OFF, COFF or NOFF")
    if found[2]:
        _warn(where, ["colours of OFF (COFF) are not read: save it as .ply or .glb to keep them"])


def _checked(mesh: MeshFile) -> MeshFile:
    if not sum(len(part.vertices) for part in mesh.parts):
        raise InputError(f"{mesh.where}: it holds no mesh: nothing of it is a surface that its scene shows")
    for part in mesh.parts:
        used = part.vertices[part.faces] if len(part.faces) else part.vertices
        if not np.isfinite(used).all():
            raise InputError(
                f"{mesh.where}: some of its vertices are NaN or infinite: repair the mesh, or export it anew"
            )
    return mesh


def _warn(where: str, remarks: list[str]) -> None:
    for text in remarks:
        told = text if text.startswith(where) else f"{where}: {text}"
        warnings.warn(InputWarning(f"{told} (the rest is read)"), stacklevel=4)
