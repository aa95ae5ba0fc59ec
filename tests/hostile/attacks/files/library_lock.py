"""Locks a range of a module of the library: a message to another mod, and memory of the kernel's that nobody counts."""

FULL = "LookupError", "seccomp"
QUICK = True


def attack():
    import fcntl

    library = open(os.__file__, "rb")
    fcntl.fcntl(library, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 5000, 1, 0))  # F_OFD_SETLK
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 5000, 1, 0)
    found = struct.unpack("hhqqi4x", fcntl.fcntl(library, fcntl.F_GETLK, asked))
    if found[0] == fcntl.F_UNLCK:
        raise LookupError("the lock was pretended")
    return found
