"""What a pixel of a room can be."""

CLASSES: tuple[str, ...] = (
    "wall", "floor", "ceiling", "door", "window", "curtain", "picture", "chair", "stool", "table", "desk", "sofa",
    "bed", "cabinet", "bookshelf", "counter", "appliance", "screen", "lamp", "plant", "bottle", "clutter",
    "refrigerator", "toilet", "bathtub", "sink", "shower_curtain", "bin", "mirror",
)  # fmt: skip
"""Class names; a name's position is its label."""
