"""The layers of a quantised TFLite model as plain float32 arrays, read by the ``tflite`` package's schema."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import PPKTZooError, TeacherError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import read_file

__all__ = ["Layer", "read_layers"]

_IDENTIFIER = b"TFL3"
# What flatbuffers, which does not verify a file, stumbles over where bytes are missing or wrong.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, UnicodeDecodeError)
_STORED = {"UINT8": np.uint8, "INT8": np.int8, "INT32": np.int32, "FLOAT32": np.float32}


@dataclass(frozen=True)
class Layer:
    """One convolution, in PyTorch's layout.

    Attributes:
        name: of its kernel in the file.
        weight: float32 (C_out, C_in, kH, kW); (C, 1, kH, kW) where depthwise.
        bias: float32 (C_out,).
        depthwise: whether each channel has a kernel of its own.
    """

    name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    depthwise: bool


def read_layers(file: Path) -> list[Layer]:
    """All convolutions of a model in the order in which they are computed, dequantised: scale · (q − zero point).

    Raises:
        TeacherError: the file is missing, is no TFLite model, is cut short or damaged, or ``tflite`` isn't installed.
    """
    schema = need("tflite", "teachers", "reading a TFLite model", TeacherError)
    content = read_file(file, TeacherError, "TFLite model", "this {what} cannot be read (no such file)")
    if content[4:8] != _IDENTIFIER:
        raise TeacherError(f"{file}: this is no TFLite model (its bytes 4 to 8 are not TFL3)")
    try:
        with memory_named(str(file), TeacherError):
            layers = _layers(schema, schema.Model.GetRootAsModel(content, 0), file)
    except _DAMAGE as error:
        if isinstance(error, PPKTZooError):
            raise
        raise TeacherError(f"{file}: this TFLite model is cut short or damaged ({error}): fetch it again") from error
    if not layers:
        raise TeacherError(f"{file}: this TFLite model has no convolution")
    return layers


def _layers(schema: Any, model: Any, file: Path) -> list[Layer]:
    graph = model.Subgraphs(0)
    kinds = {schema.BuiltinOperator.CONV_2D: False, schema.BuiltinOperator.DEPTHWISE_CONV_2D: True}
    layers = []
    held = 0
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Old files know only the first of the two fields, new ones fill both.
        kind = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        if kind not in kinds:
            continue
        _, kernel, bias = (graph.Tensors(int(one)) for one in operator.InputsAsNumpy())
        weight = _values(schema, model, kernel)
        # A few stored bytes may be the kernel of any number of layers.
        held += weight.nbytes
        MAX_BYTES.check(held, f"{file}: the layers of this TFLite model", TeacherError)
        # Depthwise kernels lie as (1, H, W, C), the others as (C_out, H, W, C_in).
        weight = weight.transpose((3, 0, 1, 2) if kinds[kind] else (0, 3, 1, 2))
        layers.append(
            Layer(kernel.Name().decode(), np.ascontiguousarray(weight), _values(schema, model, bias), kinds[kind])
        )
    return layers


def _values(schema: Any, model: Any, tensor: Any) -> NDArray[np.float32]:
    kind = next((name for name in _STORED if getattr(schema.TensorType, name) == tensor.Type()), None)
    if kind is None:
        raise ValueError(f"{tensor.Name().decode()} is stored as type {tensor.Type()} of the schema")
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy())
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(stored, int):
        raise ValueError(f"{tensor.Name().decode()} has no data")
    values = np.frombuffer(stored.tobytes(), _STORED[kind]).reshape(shape)
    if kind == "FLOAT32":
        return values.astype(np.float32)
    quantisation = tensor.Quantization()
    scale, zero = np.atleast_1d(quantisation.ScaleAsNumpy()), np.atleast_1d(quantisation.ZeroPointAsNumpy())
    if len(scale) != 1 or len(zero) != 1:
        raise ValueError(f"{tensor.Name().decode()} is quantised channel by channel, which is not known here")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused where it is used
        return (float(scale[0]) * (values.astype(np.float64) - float(zero[0]))).astype(np.float32)
