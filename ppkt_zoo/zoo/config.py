"""config.json: what a weight folder holds and what its network is built of."""

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.validation import StrictModel
from ppkt_zoo.points.input_spec import PREPROCESSING_VERSION, InputSpec
from ppkt_zoo.points.readout_spec import READOUT_VERSION, ReadoutSpec
from ppkt_zoo.zoo.head import HEADS, HeadFormat
from ppkt_zoo.zoo.record import (
    Architecture,
    Arguments,
    FileEntry,
    Line,
    WeightName,
    check_complete,
    named_after_architecture,
)
from ppkt_zoo.zoo.tensors import StorageDtype

FORMAT: Final = 1

CONFIG: Final = "config.json"
MODEL: Final = "model.safetensors"
GOLDEN: Final = "golden.safetensors"
PROJECTION: Final = "projection.safetensors"
READOUT: Final = "readout.safetensors"
RECORD: Final = "record.json"
RECIPE: Final = "recipe.yaml"
CARD: Final = "README.md"
#: Of the golden cloud's features; a published card shows it.
PICTURE: Final = "features.png"

#: The files that config.json vouches for; no other file is ever read from a folder.
FILES: Final = (
    MODEL,
    GOLDEN,
    PROJECTION,
    READOUT,
    *(file for head in HEADS for file in (head.tensors, head.config)),
    RECORD,
    RECIPE,
)


def _known_file(name: str) -> str:
    if name not in FILES:
        raise ValueError(f"must be one of {', '.join(FILES)}")
    return name


FileName = Annotated[str, AfterValidator(_known_file)]


class BackboneSection(StrictModel):
    """Of a recipe: the architecture, and how the points are prepared for it."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    input_spec: InputSpec


class NetworkConfig(StrictModel):
    """What the network is built of. The header of ``model.safetensors`` repeats it, but for ``levels``.

    ``levels`` maps each level's name to its channels, coarse to fine. With ``dtype`` float16, tensors of two or
    more axes are stored so, and all other floating tensors in float32.
    """

    format: Literal[1] = FORMAT
    name: WeightName
    architecture: Architecture
    arguments: Arguments
    input_spec: InputSpec
    levels: dict[Line, Annotated[int, Field(ge=1, le=2**16)]] = Field(min_length=1, max_length=64)
    dtype: StorageDtype

    _named = model_validator(mode="after")(named_after_architecture)

    def header(self) -> dict[str, object]:
        """What the header of ``model.safetensors`` must say."""
        fields = {"format", "name", "architecture", "arguments", "input_spec"}
        return self.model_dump(mode="json", include=fields)

    def check_header(self, header: object, where: str) -> None:
        """Raise WeightError where the tensors' header and config.json disagree."""
        expected = self.header()
        if not isinstance(header, dict):
            raise WeightError(f"{where} has no ppkt-zoo header, so it is unknown how its points must be prepared")
        for field, value in expected.items():
            if header.get(field) != value:
                raise WeightError(
                    f"{where} and {CONFIG} disagree on {field} ({header.get(field)!r} and {value!r}): one of them was "
                    "changed or comes from another weight, get the folder again"
                )

    def check_preprocessing(self, where: str) -> None:
        """Raise WeightError where the points would be prepared in another way than in training."""
        version = self.input_spec.preprocessing
        if version != PREPROCESSING_VERSION:
            raise WeightError(
                f"{where} wants preprocessing version {version}, this ppkt-zoo has version {PREPROCESSING_VERSION}: "
                f"install {'a newer' if version > PREPROCESSING_VERSION else 'an older'} ppkt-zoo"
            )


class WeightConfig(NetworkConfig):
    """The whole of config.json: the network, its read-outs, and size and sha256 of the folder's files.

    A weight of 0.1, or one that nobody has measured, has no ``readout``.
    """

    readout: ReadoutSpec | None = None
    files: dict[FileName, FileEntry]

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A weight without a read-out is written as 0.1 wrote it, and that reads it.
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "readout" or value is not None}

    @field_validator("files")
    @classmethod
    def _files_are_complete(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        check_complete(files, (MODEL, GOLDEN, RECORD))
        for head in HEADS:
            if (head.tensors in files) != (head.config in files):
                raise ValueError(f"lists only one of {head.tensors} and {head.config}: a fine-tuned weight has both")
        found = [head.task for head in HEADS if head.tensors in files]
        if len(found) > 1:
            raise ValueError(f"lists heads for {' and '.join(found)}: a weight has one head or none")
        return files

    @model_validator(mode="after")
    def _readout_is_whole(self) -> "WeightConfig":
        if (self.readout is None) != (READOUT not in self.files):
            raise ValueError(f"has only one of readout and the file {READOUT}: a weight with read-outs has both")
        return self

    def check_preprocessing(self, where: str) -> None:
        """Raise WeightError too where features would be read in another way than when the weight was made."""
        super().check_preprocessing(where)
        if self.readout is not None and self.readout.version != READOUT_VERSION:
            version = self.readout.version
            raise WeightError(
                f"{where} has read-outs of version {version}, this ppkt-zoo has version {READOUT_VERSION}: install "
                f"{'a newer' if version > READOUT_VERSION else 'an older'} ppkt-zoo"
            )

    @property
    def head(self) -> HeadFormat | None:
        """The format of the head that a fine-tuned weight carries; None for a backbone alone."""
        return next((head for head in HEADS if head.tensors in self.files), None)
