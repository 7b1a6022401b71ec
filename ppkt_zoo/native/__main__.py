"""Says which native library is in use, or why none is; with ``build`` it compiles it first.

python -m ppkt_zoo.native [build]
"""

import sys

from ppkt_zoo.native.build import BuildError, build
from ppkt_zoo.native.library import Library, find_library

if sys.argv[1:] == ["build"]:
    try:
        build()
    except BuildError as error:
        sys.exit(f"the native library was not built: {error}")
found = find_library()
if isinstance(found, Library):
    print(f"native engine: {found.level}, {found.path}")
else:
    print(f"no native engine, sparse convolutions run in PyTorch: {found}")
