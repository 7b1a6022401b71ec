"""What `verify` reads of a weight folder beside its features: every file that config.json lists, and the card."""

import re

from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.card import write_card
from ppkt_zoo.zoo.config import CARD, CONFIG, GOLDEN, MODEL, PICTURE, PROJECTION, RECIPE, RECORD
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden import check_levels
from ppkt_zoo.zoo.names import REPOSITORY
from ppkt_zoo.zoo.tensors import check_file, claims_of_file, file_entry, read_bytes

__all__ = ["check_card", "check_claims", "check_contents", "check_files"]

# Where a published card names its own repository.
_REPOSITORY = re.compile(rf"hf-hub:({REPOSITORY.pattern})@<40-hex commit>")


def check_files(folder: WeightFolder) -> None:
    """Hold every file that config.json lists against its recorded size and sha256.

    Raises:
        WeightError: one is missing, cut short or changed; the message names it.
    """
    for name, entry in folder.config.files.items():
        check_file(folder.path / name, entry)


def check_claims(folder: WeightFolder) -> None:
    """Hold config.json, whose own hash nobody may know, against what the tensors' headers say; no tensor is read.

    Raises:
        WeightError: they disagree on the network, its input or its levels.
    """
    model, golden = folder.path / MODEL, folder.path / GOLDEN
    folder.config.check_header(claims_of_file(model)[1], str(model))
    check_levels(claims_of_file(golden)[0], folder.config.levels, str(golden))


def check_contents(folder: WeightFolder, parameters: int) -> None:
    """Read record, recipe and projections, and hold what they say against each other.

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


def check_card(folder: WeightFolder) -> None:
    """Hold README.md of a folder against what its config and record give, for no hash of it stands in config.json.

    Raises:
        WeightError: it is missing, or says something else.
    """
    path = folder.path / CARD
    text = read_bytes(path).decode("utf-8", "replace")
    named = _REPOSITORY.search(text)
    record = folder.record()
    for repo in (None, named[1] if named else None):
        for picture in (None, PICTURE):
            if text == write_card(folder.config, record, repo, picture):
                return
    raise WeightError(
        f"{path} is not the card that {CONFIG} and {RECORD} give: it was changed, or another version of ppkt-zoo wrote "
        "it; nothing is loaded from it. ppkt_zoo.zoo.folder.update_record(folder, record) writes it anew"
    )
