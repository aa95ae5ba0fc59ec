"""Makes the host's disk write out its cache again and again, by fsync of a file it may only read.

Whether it was done or only said to be is told by a pipe, which cannot be written out.
"""

FULL = "LookupError", "seccomp"


def attack():
    try:
        os.fsync(1)
    except OSError:
        return os.fsync(os.open(os.__file__, os.O_RDONLY))
    raise LookupError("it was pretended")
