"""Says which engine computes sparse convolutions on the CPU, and why it is not the native one where it is not.

python -m ppkt_zoo.native          # say it
python -m ppkt_zoo.native build    # compile the native library before: needs g++ or clang++
"""

import sys

from ppkt_zoo.native.build import LIBRARY, BuildError, build
from ppkt_zoo.native.library import describe


def main(words: list[str]) -> int:
    """Build where asked for, and say what there is; the exit code."""
    if words not in ([], ["build"]):
        print(__doc__, file=sys.stderr)
        return 2
    if words:
        try:
            build()
        except BuildError as error:
            print(f"error: the native library was not built: {error}", file=sys.stderr)
            return 2
    said = describe()
    print(f"engine on the CPU: {said}")
    if said.startswith("native"):
        print(LIBRARY)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
