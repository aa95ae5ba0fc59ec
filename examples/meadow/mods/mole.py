"""A mod with a bug of the worst kind: it digs up memory that is not its own, and its process ends. The game goes on."""

import ctypes

from fumehood.worker import on

depth = 0


@on("tick")
def tick(dt: float) -> None:
    global depth  # the supervisor starts it again, a few times; then it stays down until its file changes
    depth += 1
    if depth > 20:
        ctypes.string_at(0)
