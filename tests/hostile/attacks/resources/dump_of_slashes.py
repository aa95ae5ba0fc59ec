"""Leaves a dump on its stderr that a regular expression takes a time for which is cubic, and dies."""

FULL = "SIGSEGV", "bounded, escaped text"
ALONE = "on its own pipe it may say what it likes: what is attacked is whoever reads it"
SECONDS = 2.0


def attack():
    os.write(2, b"\n" * 1000 + b'File "' + b"/mods/" * 495)
    ctypes.string_at(8)
