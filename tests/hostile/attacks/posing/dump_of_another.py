"""Dies with a dump of its own making on its stderr, which says that it was in another mod's file."""

FULL = "SIGSEGV", "of its own files alone"
JUDGED = "game"
ALONE = "on its own pipe it may say what it likes: what is attacked is whoever reads it"


def attack():
    at = b'  File "/fumehood/scratch/mods/neighbour.py", line 4 in on_frame\n'
    os.write(2, b"Fatal Python error: Segmentation fault\n\nCurrent thread (most recent call first):\n" + at)
    ctypes.string_at(8)
