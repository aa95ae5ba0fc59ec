"""What the supervisor decides about a zygote before it exists. Travels as JSON: the zygote reads it with the standard
library, since only the plan tells it where msgspec is."""

import msgspec

from .policy import Confinement


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to build one zygote. Every path is absolute and is the same inside the private root as outside."""

    confinement: Confinement
    parent: int
    """The supervisor's pid: the zygote ends when it does, also if it did before the zygote could look."""
    fumehood: str
    """Folder of the fumehood package."""
    packages: dict[str, str] = {}
    """Top-level modules outside the standard library, and the folder or file of each. All are imported, with all their
    extension modules, before the root closes."""
    search: list[str] = []
    """Folders for sys.path: where `packages` lie."""
    companions: list[str] = []
    """Folders and files that belong to packages and must be visible beside them: `numpy.libs`, `*.dist-info`."""
    entry: str = "fumehood.worker.loop:run"
    """module:function that a confined worker goes on in: `(socket, scratch) -> NoReturn`."""
    scratch: str = ""
    """Reduced mode: the folder that holds a folder for each worker. Full mode: empty, each has a mount of its own."""
