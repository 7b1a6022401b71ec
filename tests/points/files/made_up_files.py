"""Point files written byte for byte by the published formats, not by the code under test."""

import struct

import numpy as np

XYZ = np.array([[0.5, -1.25, 2.0], [1.0, 0.0, 0.125], [3.0, 4.0, -5.5], [0.5, 0.5, 0.5]], dtype=np.float32)
RGB = np.array([[255, 0, 17], [1, 2, 3], [128, 64, 32], [0, 0, 0]], dtype=np.uint8)


def ply(
    kind: str = "binary_little_endian",
    position: str = "float",
    colors: tuple[str, ...] = ("red", "green", "blue"),
    color_kind: str = "uchar",
    count: int | None = None,
    faces: bool = False,
) -> bytes:
    """XYZ and RGB as a .ply file; ``count`` lies about the number of vertices."""
    lines = [
        "ply",
        f"format {kind} 1.0",
        "comment made by hand",
        f"element vertex {len(XYZ) if count is None else count}",
    ]
    lines += [f"property {position} {name}" for name in "xyz"] + [f"property {color_kind} {name}" for name in colors]
    if faces:
        lines += ["element face 1", "property list uchar int vertex_indices"]
    head = ("\n".join([*lines, "end_header"]) + "\n").encode()
    values = RGB / 255 if color_kind in ("float", "double") else RGB
    shown = [[*point, *(color if colors else ())] for point, color in zip(XYZ.tolist(), values.tolist(), strict=True)]
    if kind == "ascii":
        rows = [" ".join(repr(number) for number in row) for row in shown] + (["3 0 1 2"] if faces else [])
        return head + ("\n".join(rows) + "\n").encode()
    mark = "<" if kind == "binary_little_endian" else ">"
    codes = {"uchar": "B", "ushort": "H", "int": "i", "float": "f", "double": "d"}
    pattern = mark + codes[position] * 3 + codes[color_kind] * len(colors)
    whole = position == "int"
    body = b"".join(struct.pack(pattern, *([int(n) for n in row] if whole else row)) for row in shown)
    return head + body + (struct.pack(mark + "B3i", 3, 0, 1, 2) if faces else b"")


def pcd(data: str = "binary", rgb: str = "F", points: int | None = None, **header: str) -> bytes:
    """XYZ and RGB, packed as PCL does, as a .pcd file; ``points`` and ``header`` lie."""
    number = str(len(XYZ) if points is None else points)
    lines = {
        "VERSION": "0.7", "FIELDS": "x y z rgb", "SIZE": "4 4 4 4", "TYPE": f"F F F {rgb}", "COUNT": "1 1 1 1",
        "WIDTH": number, "HEIGHT": "1", "VIEWPOINT": "0 0 0 1 0 0 0", "POINTS": number, "DATA": data,
    } | header  # fmt: skip
    head = "# .PCD v0.7 - Point Cloud Data file format\n" + "".join(f"{word} {text}\n" for word, text in lines.items())
    packed = [int(r) << 16 | int(g) << 8 | int(b) for r, g, b in RGB]
    if data == "ascii":
        words = [str(p) if rgb == "U" else repr(struct.unpack("<f", struct.pack("<I", p))[0]) for p in packed]
        rows = [" ".join(map(repr, point)) + f" {word}\n" for point, word in zip(XYZ.tolist(), words, strict=True)]
        return (head + "".join(rows)).encode()
    if data == "binary":
        rows = [struct.pack("<3fI", *point, color) for point, color in zip(XYZ.tolist(), packed, strict=True)]
        return head.encode() + b"".join(rows)
    fields = XYZ.T.tobytes() + struct.pack(f"<{len(packed)}I", *packed)
    small = lzf(fields)
    return head.encode() + struct.pack("<II", len(small), len(fields)) + small


def lzf(content: bytes) -> bytes:
    """A plain LZF compressor: the longest earlier match that begins within 8 kB, else literals."""
    out, literals, at = bytearray(), bytearray(), 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            run = literals[start : start + 32]
            out.extend((len(run) - 1, *run))
        literals.clear()

    while at < len(content):
        best, distance = 0, 0
        for start in range(max(0, at - 8192), at):
            length = 0
            while length < 264 and at + length < len(content) and content[start + length] == content[at + length]:
                length += 1
            if length > best:
                best, distance = length, at - start - 1
        if best < 3:
            literals.append(content[at])
            at += 1
            continue
        flush()
        code = best - 2
        out.extend((min(code, 7) << 5 | distance >> 8, *([code - 7] if code >= 7 else []), distance & 255))
        at += best
    flush()
    return bytes(out)
