"""What the zygote loads before it forks, and the tables of what a worker cannot import, or not use as elsewhere.

Inside, no file can be mapped executable: an extension module that is not loaded here can never be. So every extension
of the standard library is mapped; it is initialized only if a module of `WARM` needs it, else by the worker that
imports it, because initializing pulls other modules in (`_asyncio` all of asyncio) and each page of heap costs every
fork. The packages named are imported in full, with all their extensions. Pure modules that are not loaded are read
from the read-only root when they are asked for.
"""

import ctypes
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path
from typing import Final


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOT_IMPORTABLE: Final = {
    "_tkinter": "no display inside, and Tk would be mapped into every worker",
    "tkinter": "needs _tkinter",
    "turtle": "needs tkinter",
    "turtledemo": "needs tkinter",
    "idlelib": "needs tkinter",
    "_pyrepl": "the interactive interpreter: no terminal inside",
    "test": "CPython's own tests",
    "lib2to3.pgen2.conv": "a script of lib2to3's that does not import anywhere",
    "_testbuffer": "CPython's own tests",
    "_testcapi": "CPython's own tests",
    "_testclinic": "CPython's own tests",
    "_testexternalinspection": "CPython's own tests",
    "_testimportmultiple": "CPython's own tests",
    "_testinternalcapi": "CPython's own tests",
    "_testlimitedcapi": "CPython's own tests",
    "_testmultiphase": "CPython's own tests",
    "_testsinglephase": "CPython's own tests",
    "_ctypes_test": "CPython's own tests",
    "_xxtestfuzz": "CPython's own tests",
    "xxlimited": "an example of CPython's",
    "xxlimited_35": "an example of CPython's",
    "xxsubtype": "an example of CPython's",
    "msvcrt": "Windows only",
    "winreg": "Windows only",
    "winsound": "Windows only",
    "_winapi": "Windows only",
    "_overlapped": "Windows only",
    "_msi": "Windows only",
    "msilib": "Windows only",
    "nt": "Windows only",
    "ntsecuritycon": "Windows only",
    "asyncio.windows_events": "Windows only",
    "asyncio.windows_utils": "Windows only",
    "encodings.mbcs": "Windows only",
    "encodings.oem": "Windows only",
    "multiprocessing.popen_spawn_win32": "Windows only",
    "_scproxy": "macOS only",
    "nis": "asks a network service, and would map ten libraries, Kerberos among them, into every worker",
    "ossaudiodev": "needs the machine's sound headers when Python was built",
}
"""Standard-library modules that do not import in a worker, and why. Modules that this build of Python lacks altogether
(`_gdbm`, `nis`, ... where a library was missing) are reported by ZygoteUp.unimportable instead."""

REFUSED: Final = {
    "mmap.mmap(-1, n)": "is shared memory by default, which no limit counts (PermissionError): without a file say "
    "flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS; a mapping of a file may be shared",
    "fcntl.lockf, fcntl.fcntl(F_SETLK, ...)": "lock nothing and succeed: nobody else can open what a mod can write",
    "os.fsync, os.fdatasync, mmap.flush": "do nothing and succeed: what a mod writes there ends with its process",
    "os.open(..., os.O_DIRECT), os.O_SYNC, os.O_DSYNC, flags of os.preadv and os.pwritev": "are refused "
    "(PermissionError): no limit counts the disk's time",
    "fcntl.flock": "would lock what is shared with the supervisor (PermissionError)",
    "os.truncate": "in the reduced mode (PermissionError): open the file and truncate that",
    "os.chmod, os.utime": "in the reduced mode (PermissionError): there they would reach files of the host",
    "os.chmod, os.utime of a descriptor": "are refused (PermissionError): other mods may have the same file "
    "open; name it by its path",
}
"""Functions of modules that do import, which answer otherwise than elsewhere, and why. Threads, processes and sockets
are refused as a whole: see `confine.seccomp`."""

WARM: Final = _names(
    "abc ast base64 bisect calendar collections collections.abc contextlib copy copyreg csv ctypes "
    "dataclasses datetime decimal enum faulthandler fnmatch fractions functools gc hashlib heapq hmac "
    "importlib importlib.machinery importlib.resources importlib.util inspect io itertools json keyword "
    "linecache logging math numbers operator os pathlib pickle pkgutil platform pprint queue random re "
    "reprlib secrets selectors shutil signal socket statistics string struct tempfile textwrap threading time "
    "token tokenize traceback types typing uuid warnings weakref zlib"
)
"""Pure modules worth their memory in every worker: a mod's usual imports, and what loading and reporting take. One more
costs each fork its page tables (about 10 us a MB); one less costs the first mod that wants it about 1 ms."""


def extensions_of_python(folders: list[str]) -> Iterator[tuple[str, str]]:
    """Name and file of each extension module in the standard library's folders, top level only: lib-dynload.

    The file's name is put together as importlib does it: dlopen recognizes what is mapped by that.
    """
    for folder in folders:
        if Path(folder).is_dir():
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                name = _extension_name(entry.name)
                if name and name not in NOT_IMPORTABLE:
                    yield name, f"{folder}/{entry.name}"


def extensions_of_package(name: str, folder: Path) -> Iterator[str]:
    """Dotted names of the extension modules anywhere below a package's folder, its tests left out."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(entry for entry in folders if "test" not in entry and entry.isidentifier())
        dotted = ".".join((name, *Path(path).relative_to(folder).parts))
        for file in sorted(files):
            extension = _extension_name(file)
            if extension and "test" not in extension:
                yield f"{dotted}.{extension}"


def _extension_name(file: str) -> str:
    for suffix in EXTENSION_SUFFIXES:
        if file.endswith(suffix):
            return file.removesuffix(suffix)
    return ""


def import_all(stdlib: list[str], packages: dict[str, str]) -> dict[str, str]:
    """In the zygote: load everything. Returns the modules that would not, and why.

    `stdlib`: the standard library's folders; `packages`: folder or file of each other top-level module.
    """
    failed: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # half of the old extensions are deprecated; no mod asked for them yet
        for name, file in extensions_of_python(stdlib):
            try:
                ctypes.CDLL(file)  # never unmapped: ctypes does not close what it opens
            except OSError as error:
                failed[name] = str(error)
        for name in WARM:
            _try(name, failed)
        for name, place in ((name, Path(path)) for name, path in packages.items()):
            _try(name, failed)
            if name not in failed and place.is_dir():
                for extension in extensions_of_package(name, place):
                    _try(extension, failed)
    return failed


def _try(name: str, failed: dict[str, str]) -> None:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 (a package's import may raise anything at all; the report names it)
        failed[name] = f"{type(error).__name__}: {error}"


def settle(stdlib: list[str]) -> None:
    """In the zygote, once only what may be seen is: look for modules in the plain way, from now on, and note anew what
    the standard library's folders hold, so that no worker has to list them.

    What was noted of other folders before is forgotten: it tells of packages that nobody named.
    """
    # By its name, since start.py is __main__ here: its class has no other place to be imported from.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Gate"]
    importlib.invalidate_caches()
    PathFinder.find_spec("no_module_of_this_name", stdlib)


def tasks() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 (only the count matters)
