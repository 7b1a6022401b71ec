"""A cloud of anybody's: a point file or a mesh, brought to metres with z up; what was done to it is told.

What a format defines is known (glTF: metres, y up; E57: metres, z up). All else is taken as it is asked for, in
metres and with z up where nothing is; ``unit="auto"`` and ``up="gravity"`` find it out from the points, or say that
they cannot.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.gravity import align_up
from ppkt_zoo.data.upright import doubt_of_z, find_up
from ppkt_zoo.errors import InputError, InputWarning, MeshWarning, UnitWarning
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.points.files.cloud_files import CLOUD_ENDINGS, cloud_content, parse_cloud
from ppkt_zoo.points.units import METRES, check_unit, guess_unit, unit_name

Rgb = NDArray[np.uint8] | None

#: The axis that points up in a file → the rotation that takes it to +z.
UP_AXES: dict[str, list[list[int]]] = {
    "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "x": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "-x": [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
}
#: Endings of files that hold meshes and nothing else (:mod:`ppkt_zoo.data.meshes.load`); a ``.ply`` may hold one too.
MESH_ENDINGS = (".glb", ".gltf", ".obj", ".stl", ".off")
#: Endings of everything that :func:`load_cloud` reads.
OWN_ENDINGS = (*CLOUD_ENDINGS, *MESH_ENDINGS)
_MESH_FORMS = ("auto", "surface", "vertices")
#: Formats that define their unit and their axis: ending → unit, axis, name.
DEFINED = {".glb": ("m", "y", "glTF"), ".gltf": ("m", "y", "glTF"), ".e57": ("m", "z", "E57")}
#: Points that are sampled to a square metre of a surface: four to the face of a voxel of 2 cm.
DENSITY = 10_000.0
# So many points of a surface are enough to find its vertical.
_LOOKED_AT = 200_000


class OwnCloud(NamedTuple):
    """A cloud as networks take it.

    Attributes:
        xyz: float32 or float64 (N, 3), metres, z up; map coordinates stay where they are.
        rgb: uint8 (N, 3), or None.
        notes: what was done or assumed, a few words each.
        sensor: float64 (3,), where it was seen from, if from one place.
    """

    xyz: NDArray[np.floating]
    rgb: Rgb
    notes: tuple[str, ...]
    sensor: NDArray[np.float64] | None


def load_cloud(
    path: Path | str,
    *,
    unit: str | None = None,
    up: str | None = None,
    mesh: str = "auto",
    spacing: float = DENSITY**-0.5,
) -> OwnCloud:
    """Read a point file or a mesh, and bring it to metres with z up.

    Point files: those of :func:`ppkt_zoo.points.files.cloud_files.read_cloud`. Meshes (``.glb``, ``.gltf``, ``.obj``,
    ``.stl``, ``.off``, ``.ply`` with faces; extra ``ppkt-zoo[mesh]``) become points on their surface with the colours
    of their textures or vertices, the same ones each time.

    Args:
        path: the file.
        unit: of its coordinates: "mm", "cm", "m" or "ft", or "auto" to take what the file says or find it from the
            extent. By default what the format defines, else metres.
        up: the axis that points up, such as "y" or "-z", or "gravity" to find it from the surfaces. By default what
            the format defines, else z.
        mesh: "surface" samples points on it, "vertices" takes its vertices in their order, "auto" does the first, but
            the second for ``.ply``, where labels and features belong to vertices.
        spacing: of points sampled on a surface, metres: one to every ``spacing`` × ``spacing``.

    Returns:
        The cloud; ``notes`` say what was done and assumed.

    Raises:
        InputError: the file cannot be read (see there), a value is none of these, ``"auto"`` cannot tell the unit or
            ``"gravity"`` the vertical; the message names the mend.

    Warns:
        InputWarning: z is assumed to point up and much speaks against it; what readers warn of.
    """
    file = usable_path(path, InputError)
    _check(unit, up, mesh, spacing)
    ending = file.suffix.lower()
    if ending in MESH_ENDINGS or (ending == ".ply" and mesh == "surface"):
        return _from_mesh(file, unit, up, mesh, spacing)
    content = cloud_content(file)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        cloud, _ = parse_cloud(file, content)
    stated = _named_unit(told, unit, mesh)
    notes = [f"{_count(cloud.dropped)} rows without a position left out"] if cloud.dropped else []
    notes += _joined_scans(ending, content)
    del content
    turn, sensor, turned = _upright(str(file), cloud.xyz, up, ending)
    xyz = _moved(cloud.xyz, turn)
    scale, scaled = _scale(str(file), xyz, unit, ending, stated)
    return OwnCloud(_scaled(xyz, scale), cloud.rgb, (*notes, *turned, *scaled), sensor)


def _from_mesh(file: Path, unit: str | None, up: str | None, form: str, spacing: float) -> OwnCloud:
    # What belongs to meshes is imported for them alone.
    from ppkt_zoo.data.meshes.load import load_mesh
    from ppkt_zoo.data.meshes.surface import MOST_POINTS, corner_points, sample_surface

    mesh, ending = load_mesh(file), file.suffix.lower()
    corners = mesh.vertices()
    looked_at = corners
    if mesh.triangles and (up is None or up == "gravity"):
        area = sum(float(part.areas().sum()) for part in mesh.parts)
        looked_at = sample_surface(mesh, _LOOKED_AT / area if area > 0 else 1.0).xyz
    turn, _, turned = _upright(str(file), looked_at, up, ending)
    scale, scaled = _scale(str(file), corners @ turn.T, unit, ending, None)
    mesh = mesh.moved(turn * scale)
    if form == "vertices" or not mesh.triangles:
        xyz, rgb = corner_points(mesh)
        triangles = _count(mesh.triangles)
        what = f"the {_count(len(xyz))} vertices of {triangles} triangles" if mesh.triangles else "no triangles"
    else:
        found = sample_surface(mesh, 1 / spacing**2)
        xyz, rgb = found.xyz, found.rgb
        what = f"{_count(mesh.triangles)} triangles, {found.area:.3g} m² sampled with "
        what += f"{_count(round(found.density))} points per m²"
        if len(xyz) >= MOST_POINTS - len(mesh.parts):
            what += f" (lowered, {_count(MOST_POINTS)} points are the most)"
    return OwnCloud(xyz, rgb, (what, *turned, *scaled), None)


def _check(unit: str | None, up: str | None, mesh: str, spacing: float) -> None:
    if unit is not None:
        check_unit(unit)
    if up is not None and up != "gravity" and up not in UP_AXES:
        raise InputError(f"--up {up} is no axis of a point file: use {', '.join(UP_AXES)}, or gravity")
    if mesh not in _MESH_FORMS:
        raise InputError(f"--mesh {mesh} is no way to read a mesh: use {', '.join(_MESH_FORMS)}")
    if not spacing > 0:
        raise InputError(f"points {spacing} m apart: give a spacing above 0")


def _named_unit(told: list[warnings.WarningMessage], unit: str | None, mesh: str) -> str | None:
    """The unit that the names of columns tell; every other warning of the reader is given on."""
    named = None
    for one in told:
        if isinstance(one.message, UnitWarning) and unit is not None:
            named = one.message.unit
            if unit not in ("auto", named):
                warnings.warn(InputWarning(f"{one.message.found}, and --unit {unit} is what counts"), stacklevel=4)
        elif not (isinstance(one.message, MeshWarning) and mesh == "vertices"):
            warnings.warn(one.message, stacklevel=4)
    return named


def _joined_scans(ending: str, content: bytes) -> list[str]:
    if ending != ".e57":
        return []
    from ppkt_zoo.points.files.e57 import count_scans

    count = count_scans(content)
    return [f"{count} scans joined by their poses"] if count > 1 else []


def _upright(
    where: str, xyz: NDArray[np.floating], up: str | None, ending: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, list[str]]:
    """The rotation that takes up to +z, where a camera stood, and what was done."""
    if up == "gravity":
        found = find_up(xyz)
        # A camera's forward becomes +y, as it does for frames; any other cloud is turned as little as can be.
        turn = align_up(found.up, np.array([0.0, 0.0, 1.0] if found.camera else [0.0, 1.0, 0.0]))
        place = ", ".join(f"{part:.2f}" for part in found.up)
        return turn, np.zeros(3) if found.camera else None, [f"turned upright: ({place}) of the file is up"]
    _, defined, name = DEFINED.get(ending, (None, None, ""))
    if up is None and defined is None and (doubt := doubt_of_z(xyz)) is not None:
        warnings.warn(
            f"{where}: z is assumed to point up, but {doubt}: use --up gravity to find the vertical from the "
            "surfaces, or give the axis, such as --up -y; --up z confirms z",
            InputWarning,
            stacklevel=5,
        )
    axis = up or defined or "z"
    why = f", as {name} defines" if up is None else ""
    notes = [f"turned: {axis} of the file is up{why}"] if axis != "z" else []
    return np.array(UP_AXES[axis], dtype=np.float64), None, notes


def _scale(
    where: str, xyz: NDArray[np.floating], unit: str | None, ending: str, stated: str | None
) -> tuple[float, list[str]]:
    """The length of the file's unit in metres, and what was assumed or guessed."""
    defined, _, name = DEFINED.get(ending, (None, None, ""))
    if unit is None:
        return 1.0, [f"metres, as {name} defines"] if defined and ending != ".e57" else []
    if unit != "auto":
        return METRES[unit], [] if unit == "m" else [f"{unit_name(unit)} turned into metres"]
    if stated is not None or defined is not None:
        found = stated or defined or "m"
        whose = "the names of its columns say" if stated else f"{name} defines"
        return METRES[found], [f"unit: {unit_name(found)}, as {whose}"]
    guess = guess_unit(xyz)
    if guess.unit is None:
        choices = " or ".join(f"--unit {one}" for one in guess.fitting or ("mm", "cm", "m", "ft"))
        raise InputError(f"{where}: its unit cannot be told from its extent: {guess.why}; give {choices}")
    return METRES[guess.unit], [f"unit guessed to be {unit_name(guess.unit)}: {guess.why}"]


def _moved(xyz: NDArray[np.floating], turn: NDArray[np.float64]) -> NDArray[np.floating]:
    return xyz if np.array_equal(turn, np.eye(3)) else xyz @ turn.T.astype(xyz.dtype)


def _scaled(xyz: NDArray[np.floating], scale: float) -> NDArray[np.floating]:
    return xyz if scale == 1.0 else np.asarray(xyz, dtype=np.float64) * scale


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
