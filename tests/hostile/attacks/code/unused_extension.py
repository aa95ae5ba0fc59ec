"""Imports an extension of the standard library that nobody imported before."""

FULL = "ImportError", "seccomp"


def attack():
    import _ctypes
    import importlib.util

    folder = os.path.dirname(_ctypes.__file__)
    for file in sorted(os.listdir(folder)):
        name = file.partition(".")[0]
        if file.endswith(".so") and name not in sys.modules and name.startswith("_test"):
            spec = importlib.util.spec_from_file_location(name, f"{folder}/{file}")
            try:
                return importlib.util.module_from_spec(spec)
            except ImportError as error:
                assert "failed to map segment" in str(error), error
                raise
    raise OSError(errno.ENOENT, "no such extension")
