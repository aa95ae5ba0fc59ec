"""A copy of the installed package whose ring is built with sanitizers, for the fuzzer alone; and faults planted in it.

The C sources come from the checkout this file lies in, everything else from the installed package, and the copy lies in
a temporary folder. Only `_ring.c` is built so: it alone reads what a mod wrote in a process that is not the mod's.
`_window.c` reads the game's memory in the mod's process and `_calls.c` takes arguments from the zygote.
"""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Final, NamedTuple

import fumehood

CHECKOUT: Final = Path(__file__).resolve().parent.parent
SANITIZE: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1")
REMEDY: Final = "on Debian or Ubuntu: apt-get install gcc python3-dev"


class Missing(Exception):
    """Raised when this machine cannot build it; says what is missing and how to get it."""


class Plant(NamedTuple):
    """A fault of which we know."""

    file: str
    """Below the package."""
    old: str
    new: str
    target: str
    """The fuzz target that has to find it."""


PLANTS: Final = {
    "letter-length": Plant("shared/_query.h", "if (length > RING_LETTER_SIZE)\n        length = 0;", "", "ring"),
    "frame-length": Plant("shared/_ring.h", "if (*length > longest_message(capacity))", "if (false)", "ring"),
    "cut-number": Plant("shared/_weigh.h", "if (size < 1 + width)", "if (false)", "decoder"),
    "raw-error": Plant("shared/messages.py", "RecursionError, ValueError, OverflowError)", "OverflowError)", "decoder"),
    "open-descriptor": Plant("runner/attachment.py", "kept = self._greeted and len(fds) == 1", "kept = fds", "control"),
}
"""A length that is believed, one that is not compared, a read past the end, an error that is none of ours, descriptors
that stay open."""


def build(where: Path, plant: str, *, sanitized: bool) -> dict[str, str]:
    """Make the copy in `where`; returns the environment to run Python in so that it imports that. Without `sanitized`
    its ring is the installed one. Raises Missing."""
    package = where / "fumehood"
    ignored = shutil.ignore_patterns("__pycache__", *(["_ring*.so"] if sanitized else []))
    shutil.copytree(Path(fumehood.__file__).parent, package, ignore=ignored)
    for source in (CHECKOUT / "shared").glob("_*.[ch]"):
        shutil.copy(source, package / "shared" / source.name)
    if plant:
        fault = PLANTS[plant]
        text = (package / fault.file).read_text()
        if text.count(fault.old) != 1:
            raise AssertionError(f"the plant {plant} no longer fits {fault.file}")
        (package / fault.file).write_text(text.replace(fault.old, fault.new))
    environment = {**os.environ, "PYTHONPATH": str(where), "PYTHONHASHSEED": "0"}
    return {**environment, **_sanitized(package)} if sanitized else environment


def _sanitized(package: Path) -> dict[str, str]:
    """Build the ring there; returns what its processes need in their environment."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise Missing(f"gcc is needed to build the ring with sanitizers, and is not there; {REMEDY}")
    runtime = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    library = Path(runtime.stdout.strip())
    if not library.is_absolute():  # gcc says the name as it was given when it has no such file
        raise Missing(f"gcc's address sanitizer (libasan) is needed, and is not there; {REMEDY}")
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").is_file():
        raise Missing(f"Python's headers are needed, and there is no {include}/Python.h; {REMEDY}")
    command = [compiler, "-shared", "-fPIC", "-std=c11", *SANITIZE, "-D_GNU_SOURCE", "-DPy_LIMITED_API=0x030B0000"]
    command += ["-include", str(CHECKOUT / "stress" / "fuzz_guard.h"), f"-I{include}", "shared/_ring.c"]
    done = subprocess.run(
        [*command, "-o", "shared/_ring.abi3.so"], cwd=package, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise Missing(f"the ring could not be built with sanitizers ({last[0]}); {REMEDY}")
    return {
        "PYTHONMALLOC": "malloc",  # so that the sanitizer sees each of Python's objects by itself
        "LD_PRELOAD": str(library.resolve()),
        # Leaks: CPython never frees what it interned, and each run would end with a thousand of those.
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
