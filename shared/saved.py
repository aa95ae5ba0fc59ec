"""How the bytes of a saved state begin. Made and opened in workers alone; the trusted side looks at these eight bytes.

::

    [magic "FHS1" | python major | minor | pickle protocol | 0] [pickle of a plain dict]
"""

import struct
import sys
from typing import Final

PROTOCOL: Final = 5
MAGIC: Final = b"FHS1"
HEADER: Final = struct.Struct(">4sBBBB")
OURS: Final = HEADER.pack(MAGIC, *sys.version_info[:2], PROTOCOL, 0)
"""What this Python's workers write: the zygote runs the supervisor's own."""
