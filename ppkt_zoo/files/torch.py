"""`read_torch_file`: a torch checkpoint, opened so that nothing in it can run, every part held against its checksum."""

import os
import pickle
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import torch
from torch import Tensor

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.limits import MAX_BYTES
from ppkt_zoo.files.reading import open_regular

_LONGEST_NAME = 500
# How a torch checkpoint begins, since torch 1.6 and before.
ZIP, PICKLE = b"PK\x03\x04", b"\x80\x02"
# What torch.load raises at files that are cut, damaged or of another kind.
UNREADABLE = (
    pickle.UnpicklingError, struct.error, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError,
    MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
_PIECE = 2**20
_REFUSED = re.compile(r"[Uu]nsupported (?:global: GLOBAL|class) ([\w.]+)")
# torch's list of what may stand in a pickle belongs to the whole process.
_OPENING = threading.Lock()
_DEEPEST, _MOST_KINDS = 4, 50
# A magic number, a version, the machine's sizes, and what was saved; the keys of the numbers come after them.
_OLD_PICKLES = 5


def check_pickle(stream: IO[bytes]) -> None:
    """Read one pickle with something inert in the place of everything that it names; nothing of it is called.

    torch searches its own message about a pickle that it refuses with an expression whose time grows with the square
    of the longest word in it: a name of 15 000 letters takes ten seconds. Names are short in every real file.

    Raises:
        pickle.UnpicklingError: a name is longer than any real one.
        Exception: what :class:`pickle.Unpickler` raises where a pickle is cut, damaged, or calls what is no name's.
    """
    _Reader(stream).load()


class _Named:
    """Whatever a pickle names and makes: it takes everything and does nothing."""

    def __new__(cls, *parts: object, **more: object) -> "_Named":
        return super().__new__(cls)

    def __init__(self, *parts: object, **more: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Take an item of a list that is none."""

    def extend(self, items: object) -> None:
        """Take items of a list that is none."""


# The reader in Python: the one in C hands long names on before they can be looked at.
class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> type[_Named]:
        if len(module) + len(name) > _LONGEST_NAME:
            raise pickle.UnpicklingError(f"it names something by {len(module) + len(name)} characters")
        return _Named

    def persistent_load(self, place: Any) -> _Named:
        return _Named()

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError("it names something by a number of this process alone")


def first_bytes(file: Path, what: str, error_type: type[PPKTZooError], missing: str) -> bytes:
    """The first four bytes of a regular file: what it is, whatever its name says."""
    with open_regular(file, error_type, what, missing) as stream:
        return stream.read(4)


def read_torch_file(file: Path, what: str, error_type: type[PPKTZooError]) -> Any:
    """What a checkpoint holds, its tensors on the CPU; opened with ``weights_only=True`` alone.

    Numbers of numpy beside the tensors (a best score) are left out: something inert stands where they stood.

    Args:
        what: how the messages call it.
        error_type: raised where it is cut or damaged, larger than the limit, or holds objects that torch does not open
            safely.
    """
    with open_regular(file, error_type, what) as stream:
        size = os.fstat(stream.fileno()).st_size
        MAX_BYTES.check(size, what, error_type)
        try:
            if stream.read(4) == ZIP:
                _check_parts(stream, what, error_type)
            _check_pickles(stream)
            return _load(stream)
        except OSError as error:
            raise error_type(f"{what} cannot be read ({error.strerror or error})") from error
        except (*UNREADABLE, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            if isinstance(error, PPKTZooError):
                raise
            refused = _REFUSED.search(str(error))
            if refused is not None:
                raise error_type(
                    f"{what} holds a {refused[1]} besides its tensors, which could run code when opened, so "
                    f"it was not opened. If you trust its source, keep its tensors alone: {_mend(stream, file)}"
                ) from error
            raise error_type(
                f"{what} ({size} bytes) is a torch checkpoint that is cut or damaged "
                f"({type(error).__name__}): fetch it again"
            ) from error


def check_plain_tensors(tensors: Mapping[str, Tensor], what: str, error_type: type[PPKTZooError]) -> None:
    """Refuse tensors that are more than numbers in a row, or that claim more numbers than the file holds.

    Raises:
        error_type: a tensor is sparse, quantised, on no device, or repeats a few stored numbers endlessly.
    """
    total = 0
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu" or tensor.is_nested:
            raise error_type(f"{what}: {name} is no plain tensor (sparse, quantised or without numbers): save it dense")
        bytes_of = tensor.numel() * tensor.element_size()
        if bytes_of > tensor.untyped_storage().nbytes():
            raise error_type(f"{what}: {name} claims more numbers than are stored: save it by .contiguous()")
        total += bytes_of
    MAX_BYTES.check(total, f"{what}: its tensors", error_type)


def _check_parts(stream: BinaryIO, what: str, error_type: type[PPKTZooError]) -> None:
    """Every part of the archive: its claimed size against the limit, its bytes against the archive's own checksum."""
    with zipfile.ZipFile(stream) as archive:
        parts = archive.infolist()
        MAX_BYTES.check(sum(part.file_size for part in parts), f"{what}: its parts", error_type)
        for part in parts:
            try:
                with archive.open(part) as content:
                    while content.read(_PIECE):
                        pass
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
                raise error_type(
                    f"{what} is damaged: its part {part.filename!r} does not fit its checksum ({error}): fetch it "
                    "again (or save it again, if it was saved by torch.serialization.set_crc32_options(False))"
                ) from error


def _check_pickles(stream: BinaryIO) -> None:
    """Every pickle that torch would read: one in an archive, five in a row in files of before torch 1.6."""
    stream.seek(0)
    if stream.read(4) != ZIP:
        stream.seek(0)
        for _ in range(_OLD_PICKLES):
            check_pickle(stream)
        return
    with zipfile.ZipFile(stream) as archive:
        # torch finds it in any case of letters, and may take either of two parts of one name.
        for part in archive.infolist():
            names = (part.filename.lower(), part.orig_filename.lower())
            if any(name.endswith("data.pkl") for name in names):
                with archive.open(part) as content:
                    check_pickle(content)


def _load(stream: BinaryIO) -> Any:
    stream.seek(0)
    try:
        return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None or refused[1].partition(".")[0] != "numpy":
            raise
    return _load_inert(stream, _numpy_names(), "cpu")


class _Inert:
    """Stands where a checkpoint has an object of no use to us; whatever makes or fills that object does nothing."""

    def __new__(cls, *parts: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _load_inert(stream: BinaryIO, names: Iterable[str], device: str) -> Any:
    """Load with something inert in the place of what has these names; nothing of theirs is called."""
    stands_in: list[Any] = []
    for name in names:
        module, _, own = name.rpartition(".")
        stands_in.append(type(own, (_Inert,), {"__module__": module}))
    stream.seek(0)
    with _OPENING, torch.serialization.safe_globals(stands_in):
        return torch.load(stream, map_location=device, weights_only=True)


def _numpy_names() -> Iterator[str]:
    for core in ("numpy.core", "numpy._core"):
        yield f"{core}.multiarray.scalar"
        yield f"{core}.multiarray._reconstruct"
        yield f"{core}.numeric._frombuffer"
    yield "numpy.dtype"
    yield "numpy.ndarray"


def _mend(stream: BinaryIO, file: Path) -> str:
    """A line of plain torch that keeps a file's tensors alone, made for where they lie in it."""
    path, alone = _place_of_tensors(stream)
    opened = f"torch.load({str(file)!r}, map_location='cpu', weights_only=False)"
    opened += "".join(f"[{key!r}]" for key in path)
    if not alone:
        opened = f"{{k: v for k, v in {opened}.items() if torch.is_tensor(v)}}"
    return f"torch.save({opened}, 'tensors.pth')"


def _place_of_tensors(stream: BinaryIO) -> tuple[tuple[str | int, ...], bool]:
    """Keys that lead to the dictionary with the most tensors, and whether it holds nothing else."""
    names = list(_numpy_names())
    content: Any = None
    for _ in range(_MOST_KINDS):
        try:
            content = _load_inert(stream, names, "meta")
            break
        except UNREADABLE as error:
            refused = _REFUSED.search(str(error))
            if refused is None or refused[1] in names:
                break
            names.append(refused[1])
    found = max(_dictionaries(content, ()), key=lambda one: one[1], default=((), 0, False))
    return found[0], found[2]


def _dictionaries(content: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int, bool]]:
    """Each dictionary with tensors: where it lies, how many it holds, and whether nothing else."""
    if not isinstance(content, dict) or len(path) > _DEEPEST:
        return
    count = sum(isinstance(value, Tensor) for value in content.values())
    if count:
        yield path, count, count == len(content)
    for key, value in content.items():
        if isinstance(key, str | int):
            yield from _dictionaries(value, (*path, key))
