"""What an examination found, and what a cloud is judged by."""

from dataclasses import dataclass, field

from ppkt_zoo.data.examine.finding import Finding


@dataclass
class CloudReport:
    """What was found.

    Attributes:
        form: such as "point cloud, .ply".
        points, dropped: rows with and without a position.
        triangles: of a mesh.
        size: metres along x, y, z with z up, by the unit that is assumed.
        unit, up: those by which all else was judged.
        color: whether there is one; labels: names of fields that look like labels.
        per_voxel, neighbours, spacing: see :class:`ppkt_zoo.data.examine.density.Density`.
        options: of the command that reads it right.
        findings: in the order of interest.
    """

    form: str = "file"
    points: int = 0
    dropped: int = 0
    triangles: int = 0
    size: tuple[float, ...] = ()
    unit: str | None = None
    up: str | None = None
    color: bool = False
    labels: tuple[str, ...] = ()
    per_voxel: float | None = None
    neighbours: float | None = None
    spacing: float | None = None
    options: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """What a cloud is judged by.

    Attributes:
        weight: its name.
        voxel: metres.
        takes_no_color: whether it does without colour.
        unit, up: as they were given, or None.
    """

    weight: str
    voxel: float
    takes_no_color: bool
    unit: str | None = None
    up: str | None = None
