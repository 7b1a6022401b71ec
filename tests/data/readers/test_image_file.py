"""Images from strangers: only PNG and JPEG are opened, bombs are refused before decoding, EXIF turns are obeyed."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.readers.images import decode_color, decode_ids, decode_stored, read_color, read_depth
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import CAMERA, POSES, plain, render

COLOR = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def encoded(array, form, orientation=None, **options):
    image, stream = Image.fromarray(array), io.BytesIO()
    if orientation is not None:
        exif = image.getexif()
        exif[0x0112] = orientation
        options["exif"] = exif
    image.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(png, kind, content):
    """The chunk behind the header of a PNG."""
    return png[:33] + chunk(kind, content) + png[33:]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(10))
def test_colour_is_turned_as_exif_says(form, orientation):
    content = encoded(COLOR, form, orientation)
    shown = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert np.array_equal(decode_color(content, "a"), shown)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_depth_and_ids_are_turned_too(orientation):
    values = np.arange(60, dtype=np.uint16).reshape(6, 10) * 100
    content = encoded(values, "PNG", orientation)
    shown = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert np.array_equal(decode_stored(content, "a"), shown)
    assert np.array_equal(decode_ids(encoded(values.astype(np.uint8), "PNG", orientation), "a"), shown % 256)


def test_a_frame_with_a_turned_colour_image_reads_as_it_is_shown(tmp_path):
    """An upside-down camera: the colours go to the depth that they were seen with."""
    folder = plain(tmp_path / "own", ids=False)
    path = folder / "test1.color.jpg"
    right = read_color(path).astype(int)
    path.write_bytes(encoded(np.ascontiguousarray(np.array(Image.open(path))[::-1, ::-1]), "JPEG", 3, quality=100))
    assert np.abs(open_frames(folder)[0].color.astype(int) - right).mean() < 3
    path.write_bytes(encoded(np.rot90(right.astype(np.uint8)), "JPEG", 6, quality=100))
    assert np.abs(open_frames(folder)[0].color.astype(int) - right).mean() < 3


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_turn_that_does_not_fit_the_depth_is_named(tmp_path, orientation):
    folder = plain(tmp_path / "own", ids=False)
    path = folder / "test1.color.jpg"
    path.write_bytes(encoded(read_color(path), "JPEG", orientation))
    with pytest.raises(FrameError, match=r"colour is 48×64 but depth is 64×48.*EXIF orientation.*exiftool"):
        open_frames(folder)[0]


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 40]
)
def test_a_damaged_exif_block_turns_nothing(exif):
    png = with_chunk(encoded(COLOR, "PNG"), b"eXIf", exif)
    assert np.array_equal(decode_color(png, "a"), COLOR)
    jpeg = encoded(COLOR, "JPEG", quality=95)
    block = b"Exif\0\0" + exif
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    assert np.array_equal(decode_color(marked, "a"), decode_color(jpeg, "a"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "is EPS, whatever its name"),
        (b"GIF89a" + b"\0" * 30, "is GIF.*only PNG and JPEG.*save it as PNG"),
        (b"8BPS\0\1" + b"\0" * 30, "is PSD"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "is WebP"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 20, "is HEIC"),
        (b"SIMPLE  =", "is FITS"),
        (encoded(COLOR, "TIFF"), "is TIFF"),
        (encoded(COLOR, "BMP"), "is BMP"),
    ],
)
def test_other_formats_are_named_and_start_no_program(tmp_path, monkeypatch, content, says):
    program = tmp_path / "bin/gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "f0.color.png").write_bytes(content)
    with pytest.raises(FrameError, match=rf"f0\.color\.png: this colour image {says}"):
        read_color(tmp_path / "f0.color.png")
    assert not (tmp_path / "started").exists()


def test_texts_and_profiles_of_a_png_are_never_unfolded():
    bomb = zlib.compress(bytes(300 << 20), 9)
    for kind in (b"zTXt", b"iCCP"):
        assert np.array_equal(decode_color(with_chunk(encoded(COLOR, "PNG"), kind, b"k\0\0" + bomb), "a"), COLOR)


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (100_000_001, 1)])
def test_the_size_that_a_header_claims_is_checked_before_decoding(width, height):
    png = encoded(COLOR, "PNG")
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    with pytest.raises(FrameError, match=r"a: this colour image of .* pixels.*PPKT_ZOO_MAX_PIXELS"):
        decode_color(png[:8] + head + png[33:], "a")
    jpeg = bytearray(encoded(COLOR, "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(FrameError, match="PPKT_ZOO_MAX_PIXELS"):
        decode_color(bytes(jpeg), "a")


def test_the_limit_of_pixels_can_be_raised_and_lowered(monkeypatch):
    monkeypatch.setenv("PPKT_ZOO_MAX_PIXELS", "59")
    with pytest.raises(FrameError, match="60 pixels, more than the limit of 59"):
        decode_color(encoded(COLOR, "PNG"), "a")
    # Pillow's own limit is global and has no say here.
    monkeypatch.setenv("PPKT_ZOO_MAX_PIXELS", "60")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert np.array_equal(decode_color(encoded(COLOR, "PNG"), "a"), COLOR)


def test_a_jpeg_of_hundreds_of_scans_is_refused(monkeypatch):
    large = encoded(np.zeros((400, 400, 3), np.uint8), "JPEG", progressive=True)
    first = large.index(b"\xff\xda")
    second = large.index(b"\xff\xda", first + 2)
    monkeypatch.setenv("PPKT_ZOO_MAX_PIXELS", "2M")
    assert decode_color(large, "a").shape == (400, 400, 3)
    with pytest.raises(FrameError, match=r"of \d+ scans would take"):
        decode_color(large[:-2] + large[first:second] * 400 + large[-2:], "a")


def test_one_flipped_bit_of_a_png_is_noticed():
    png = bytearray(encoded(COLOR, "PNG"))
    for at in range(33, len(png) - 12, 7):
        png[at] ^= 4
        with pytest.raises(FrameError, match="cut short or damaged"):
            decode_color(bytes(png), "a")
        png[at] ^= 4


def test_an_animation_is_refused():
    frames = [Image.fromarray(COLOR), Image.fromarray(255 - COLOR)]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(FrameError, match="this colour image is an animation"):
        decode_color(stream.getvalue(), "a")


def test_pictures_of_phones_with_a_second_image_inside_give_the_first():
    stream = io.BytesIO()
    first = Image.fromarray(COLOR)
    first.save(stream, "MPO", save_all=True, append_images=[Image.fromarray(255 - COLOR)], quality=95)
    assert np.array_equal(decode_color(stream.getvalue(), "a"), np.array(Image.open(io.BytesIO(stream.getvalue()))))


@pytest.mark.parametrize("read", [read_color, read_depth])
def test_pipes_devices_and_endless_files_are_refused_at_once(tmp_path, read, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(FrameError, match=r"pipe\.png: .*named pipe"):
        read(tmp_path / "pipe.png")
    with pytest.raises(FrameError, match="device"):
        read(type(tmp_path)("/dev/zero"))
    with open(tmp_path / "sparse.png", "wb") as file:
        file.truncate(100 << 30)
    with pytest.raises(FrameError, match=r"sparse\.png: .*PPKT_ZOO_MAX_BYTES"):
        read(tmp_path / "sparse.png")


def test_sides_that_are_not_just_swapped_get_no_hint():
    color, depth = render(POSES[0])
    with pytest.raises(FrameError, match="no mapping") as caught:
        RGBDFrame(color[:-1], depth.astype(np.float32), CAMERA, None, "one")
    assert "EXIF" not in str(caught.value)
