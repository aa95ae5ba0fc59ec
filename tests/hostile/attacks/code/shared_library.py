"""Puts a shared library into its scratch, and loads it."""

FULL = "OSError", "seccomp"


def attack():
    import _ctypes
    import shutil

    shutil.copyfile(_ctypes.__file__, "library.so")
    try:
        return ctypes.CDLL(f"{os.getcwd()}/library.so")
    except OSError as error:
        assert "failed to map segment" in str(error), error  # the loader keeps the errno to itself
        raise
