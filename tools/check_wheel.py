"""Check an installed wheel: the native engine is in use, and a bundled weight gives its reference output with it.

python tools/check_wheel.py    # where ppkt-zoo was installed from a wheel, away from the checkout
"""

import sys
from pathlib import Path

import ppkt_zoo
from ppkt_zoo.native.library import describe
from ppkt_zoo.sparse import get_engine

WEIGHT = "sr_unet14_slim.ppkt_voc"


def main() -> None:
    """Say what is installed; end with an error where it is not the native engine or where its numbers differ."""
    place, engine = Path(ppkt_zoo.__file__).parent, get_engine().name
    print(f"ppkt-zoo {ppkt_zoo.__version__} in {place}, engine on the CPU: {describe()}")
    if place.parent == Path(__file__).resolve().parents[1]:
        sys.exit("this is the checkout, not an installed wheel")
    if engine != "native":
        sys.exit(f"the wheel runs on {engine!r}: it does not carry the native library of this machine")
    print(ppkt_zoo.verify(WEIGHT))


if __name__ == "__main__":
    main()
