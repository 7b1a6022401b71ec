"""Small meshes, written byte for byte by the published formats, and a glTF with everything that scenes have."""

import base64
import io
import json
import struct
from typing import Any

import numpy as np
from PIL import Image

#: A square of 1 × 1 in the plane z = 0, two triangles.
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.uint16)
#: Places in a texture: its lower left corner at the first vertex.
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)


def halves(kind: str = "PNG") -> bytes:
    """A texture with a red upper half and a blue lower one."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :, 0] = pixels[32:, :, 2] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def gltf_parts(texture: bytes | None = None, colors: np.ndarray | None = None) -> tuple[dict[str, Any], bytes]:
    """A description without nodes and the bytes behind it: one square, with a texture or colours of its vertices."""
    # glTF counts a texture's rows from the top.
    flipped = np.stack([UV[:, 0], 1 - UV[:, 1]], axis=1)
    pieces = [(SQUARE, "VEC3", 5126), (FACES.reshape(-1), "SCALAR", 5123), (flipped, "VEC2", 5126)]
    pieces += [(colors, "VEC3", 5121)] if colors is not None else []
    body, views, accessors = b"", [], []
    for values, kind, component in pieces:
        content = np.ascontiguousarray(values).tobytes()
        views.append({"buffer": 0, "byteOffset": len(body), "byteLength": len(content)})
        body += content + bytes(-len(content) % 4)
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(values), "type": kind})
    primitive: dict[str, Any] = {"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "indices": 1}
    if colors is not None:
        primitive["attributes"]["COLOR_0"] = 3
        accessors[3]["normalized"] = True
    tree: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "accessors": accessors,
        "bufferViews": views,
        "meshes": [{"primitives": [primitive]}],
    }
    if texture is not None:
        views.append({"buffer": 0, "byteOffset": len(body), "byteLength": len(texture)})
        body += texture + bytes(-len(texture) % 4)
        tree["images"] = [{"bufferView": len(views) - 1, "mimeType": "image/png"}]
        tree["textures"] = [{"source": 0}]
        tree["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
        primitive["material"] = 0
    return tree, body


def with_nodes(tree: dict[str, Any], nodes: list[dict[str, Any]], roots: list[int]) -> dict[str, Any]:
    """The description with a scene."""
    return {**tree, "nodes": nodes, "scenes": [{"nodes": roots}], "scene": 0}


def glb(tree: dict[str, Any], body: bytes) -> bytes:
    """One file of both."""
    text = json.dumps({**tree, "buffers": [{"byteLength": len(body)}]}).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(body)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(body), 0x004E4942) + body
    return b"glTF" + struct.pack("<II", 2, total) + chunks


def gltf(tree: dict[str, Any], body: bytes, uri: str | None = None) -> bytes:
    """A text that holds its bytes, or names the file that does."""
    address = uri or "data:application/octet-stream;base64," + base64.b64encode(body).decode()
    return json.dumps({**tree, "buffers": [{"byteLength": len(body), "uri": address}]}).encode()


def obj(material: bool = True) -> bytes:
    """The square with a material."""
    rows = [f"v {x} {y} {z}" for x, y, z in SQUARE] + [f"vt {u} {v}" for u, v in UV]
    head = ["mtllib square.mtl"] if material else []
    use = ["usemtl painted wood"] if material else []
    return "\n".join([*head, *rows, *use, "f 1/1 2/2 3/3", "f 1/1 3/3 4/4"]).encode() + b"\n"


def stl(binary: bool = True, scale: float = 1.0) -> bytes:
    """The square."""
    corners = (SQUARE * scale)[FACES]
    if binary:
        rows = b"".join(struct.pack("<12fH", 0, 0, 1, *one.reshape(-1), 0) for one in corners)
        return bytes(80) + struct.pack("<I", len(corners)) + rows
    facets = [
        "facet normal 0 0 1\nouter loop\n" + "".join(f"vertex {x} {y} {z}\n" for x, y, z in one) + "endloop\nendfacet\n"
        for one in corners
    ]
    return ("solid square\n" + "".join(facets) + "endsolid square\n").encode()


def off() -> bytes:
    """The square as one polygon of four corners."""
    rows = "\n".join(f"{x} {y} {z}" for x, y, z in SQUARE)
    return f"OFF\n# made up\n4 1 0\n{rows}\n4 0 1 2 3\n".encode()


def ply(colors: bool = True) -> bytes:
    """The square with 16-bit colours: left black, right green."""
    names = "".join(f"property ushort {name}\n" for name in ("red", "green", "blue")) if colors else ""
    head = (
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        f"{names}element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = [f"{x} {y} {z}" + (f" 0 {65535 if x else 0} 0" if colors else "") for x, y, z in SQUARE]
    return (head + "\n".join(rows) + "\n3 0 1 2\n3 0 2 3\n").encode()
