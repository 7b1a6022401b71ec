"""What `verify` reads of a weight folder beside its features: every file that config.json lists, and the card."""

import re

from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.card import in_words_of_0_1, write_card
from ppkt_zoo.zoo.config import CARD, CONFIG, GOLDEN, MODEL, PICTURE, PROJECTION, RECIPE, RECORD
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden import check_levels
from ppkt_zoo.zoo.names import REPOSITORY
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.tensors import claims_of_file, file_entry, read_bytes, read_claims

__all__ = ["check_card", "check_claims", "check_contents"]

# Where a published card names its own repository.
_REPOSITORY = re.compile(rf"hf-hub:({REPOSITORY.pattern})@<40-hex commit>")


def check_claims(folder: WeightFolder) -> None:
    """Hold config.json, whose own hash nobody may know, against what the tensors' headers say; no tensor is read.

    Raises:
        WeightError: they disagree on the network, its input or its levels.
    """
    claims = {}
    for name in (MODEL, GOLDEN):
        path, held = folder.path / name, folder.held.get(name)
        claims[name] = claims_of_file(path) if held is None else read_claims(held[1], str(path))
    folder.config.check_header(claims[MODEL][1], str(folder.path / MODEL))
    check_levels(claims[GOLDEN][0], folder.config.levels, str(folder.path / GOLDEN))


def check_contents(folder: WeightFolder, parameters: int) -> WeightRecord:
    """Read record, recipe and projections, and hold what they say against each other; the record.

    Args:
        folder: whose files are the recorded ones.
        parameters: of its network.

    Raises:
        WeightError: one does not fit.
    """
    record = folder.record()
    if record.parameters != parameters:
        raise WeightError(
            f"{folder.path / RECORD} says {record.parameters} parameters, the network has {parameters}: the record is "
            "of another weight"
        )
    if RECIPE in folder.config.files:
        found = file_entry(folder.read(RECIPE)).sha256
        if record.recipe is None or record.recipe.sha256 != found:
            raise WeightError(f"{folder.path / RECIPE} is not the recipe that {RECORD} names: get the weight again")
    if PROJECTION in folder.config.files:
        folder.projection()
    return record


def check_card(folder: WeightFolder, record: WeightRecord, classes: tuple[str, ...] | None) -> None:
    """Hold README.md of a folder against what its config and record give, for no hash of it stands in config.json.

    Args:
        folder, record: what it was written from, by this version or by 0.1.
        classes: of the folder's head, where it has one.

    Raises:
        WeightError: it is missing, or says something else.
    """
    path = folder.path / CARD
    text = read_bytes(path).decode("utf-8", "replace")
    named = _REPOSITORY.search(text)
    for repo in (None, named[1] if named else None):
        for picture in (None, PICTURE):
            if text == write_card(folder.config, record, repo, picture, classes):
                return
            # 0.1 named no classes, and no head but that of segmentation.
            for told in (None, ()):
                if text == in_words_of_0_1(write_card(folder.config, record, repo, picture, told)):
                    return
    raise WeightError(
        f"{path} is not the card that {CONFIG} and {RECORD} give: it was changed, or another version of ppkt-zoo wrote "
        "it; nothing is loaded from it. ppkt_zoo.zoo.folder.update_record(folder, record) writes it anew"
    )
