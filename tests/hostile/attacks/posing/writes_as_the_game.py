"""Writes into the memory that only the game writes, past everything that Python does."""

FULL = "SIGSEGV", "read-only segments"


def words(address):
    return (ctypes.c_size_t * 8).from_address(address)


def game_memory():
    """The address of `down`: the pages' of the second segment that its port holds."""
    from fumehood.shared._ring import Segment

    kind = id(Segment)
    port = grip()["Serving"].port
    held = [word for word in words(id(port)) if word % 8 == 0 and word > 1 << 20 and words(word)[1] == kind]
    return next(word for word in words(held[1]) if word and word % 4096 == 0)


def attack():
    ctypes.memset(game_memory() if confined() else mmap(4096), 0xFF, 8)
