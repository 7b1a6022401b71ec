"""A procedural world of furnished rooms: colour, depth, label and instance of every pixel, made from a seed.

>>> room = make_room(7)
>>> pose = sample_camera(room, seed=0)
>>> frame = render(room, make_intrinsics(240, 320, 60.0), pose, 240, 320)
"""

from ppkt_zoo.rooms.camera import look_at, make_intrinsics, sample_camera, sample_close_up
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.partial_scans import PartialScans
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import CLASSES, Room, RoomObject
from ppkt_zoo.rooms.scenes import BOX_CLASSES, FRACTIONS, RoomsBench, RoomScenes, room_cloud, rooms_bench
from ppkt_zoo.rooms.source import RoomsFrames
from ppkt_zoo.rooms.walk import overlap_of_views, sample_walk

__all__ = [
    "BOX_CLASSES",
    "CLASSES",
    "FRACTIONS",
    "PartialScans",
    "Room",
    "RoomObject",
    "RoomScenes",
    "RoomsBench",
    "RoomsFrames",
    "look_at",
    "make_intrinsics",
    "make_room",
    "overlap_of_views",
    "render",
    "room_cloud",
    "rooms_bench",
    "sample_camera",
    "sample_close_up",
    "sample_walk",
]
