"""What a network that began with a weight takes along of its record: everything, and nothing twice."""

from pathlib import Path

from ppkt_zoo.zoo.own_record import inherited_fields
from ppkt_zoo.zoo.record import DataUsed, Licences
from tests.zoo.tiny_weight import make_folder


def test_a_second_sitting_on_the_same_data_names_it_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "weight")
    base = folder.record().model_copy(
        update={
            "limits": ("Never saw the outdoors.", "Of an older weight: knows rooms alone."),
            "licences": Licences(data="MIT; Apache-2.0", weights="MIT"),
        }
    )
    again = inherited_fields(folder, base, base.data[-1], "Apache-2.0", "MIT")
    assert again["data"] == base.data
    assert again["licences"] == {"data": "MIT; Apache-2.0", "weights": "MIT"}
    name = folder.config.name
    assert again["limits"] == (f"Of {name}: Never saw the outdoors.", "Of an older weight: knows rooms alone.")
    loose = base.model_copy(update={"limits": ("Of no use outdoors.",)})
    assert inherited_fields(folder, loose, base.data[-1], "MIT", "MIT")["limits"] == (
        f"Of {name}: Of no use outdoors.",
    )

    other = DataUsed(name="a plant", frames=3, licence="CC0-1.0", attribution="us")
    more = inherited_fields(folder, base, other, "CC0-1.0; MIT", "MIT")
    assert more["data"] == (*base.data, other)
    assert more["licences"]["data"] == "MIT; Apache-2.0; CC0-1.0"
