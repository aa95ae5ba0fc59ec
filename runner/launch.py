"""How a game gets its mods: `launch` starts a supervisor of its own, `connect` attaches to one that runs."""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ..shared.errors import ConfigError, FumehoodError, MachineError, SupervisorDied, UsageError
from ..shared.policy import Confinement, Limits
from . import amounts, control
from . import config as settings
from .debounce import RELOAD_INTERVAL

if TYPE_CHECKING:
    from .api import Api
    from .game import Mods

START_PATIENCE: Final = 60.0
"""Seconds the supervisor gets to start. It takes under one; a cold disk or a loaded machine takes longer."""
END_PATIENCE: Final = 5.0
"""Seconds the supervisor gets to end by itself before it is killed."""

_CHILD: Final = """
import importlib.util as util, sys
folder = sys.argv[2]
spec = util.spec_from_file_location("fumehood", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["fumehood"] = module = util.module_from_spec(spec)
spec.loader.exec_module(module)
from fumehood.runner.child import main
sys.exit(main(int(sys.argv[1])))
"""
"""The supervisor runs this very copy of fumehood, by its place: with ``-m`` it would be whatever is installed, and a
game that imports a copy of its own would be served by another release."""


def launch(
    root: str | os.PathLike[str],
    *,
    api: "Api | None" = None,
    packages: Sequence[str] = (),
    confinement: Confinement | Literal["full", "reduced"] = "full",
    limits: Limits | None = None,
    watcher: Literal["auto", "native", "polling"] = "auto",
    most_mods: int = settings.MOST_MODS,
    deterministic: int | None = None,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["text", "json"] = "text",
    log_to: int | None = None,
    reload_interval: float = RELOAD_INTERVAL,
    timeout: float = START_PATIENCE,
) -> "Mods":
    """Start a supervisor for the mods in folder `root` and return when every mod there has a verdict.

    - `api`: what the game declares; without one every event and intent is taken, unchecked.
    - `packages`: importable names that mods may import beyond the standard library, preloaded.
    - `confinement`: "full", or "reduced" for hosts without user namespaces; README and SECURITY.md say what that costs.
    - `limits`: what one mod may use; a mod may lower them for itself.
    - `watcher`: "auto" takes inotify where it serves, else polls every 2 s; "native" and "polling" insist.
    - `most_mods`: a folder that holds more is refused, and what comes later is not started. At most 4096.
    - `deterministic`: a seed from 0, for replays and lockstep: chance in mods follows from it, and clocks show
      `mods.clock`, which the game sets. README says what that covers.
    - `log_level`, `log_format`: the supervisor logs to this process's stderr: what goes live (info) and what is refused
      (warning), and what mods print (info) and log. "warning" leaves out the good news, and with it what mods print.
    - `log_to`: descriptor of a file that the log goes to instead; it stays the caller's.
    - `reload_interval`: seconds between two reloads of one mod, at least; smaller: a mad writer costs more.
    - `timeout`: seconds for all of it.

    The supervisor ends with this process, whatever happens to it. The thread that calls this owns the `Mods`.

    Raises ConfigError (a folder or a setting is wrong), UsageError (seconds), MachineError (a confinement layer is
    missing, with the remedy; not Linux), SupervisorDied (it did not start within `timeout` seconds).
    """
    options = {
        "packages": packages,
        "confinement": confinement,
        "limits": limits,
        "watcher": watcher,
        "most_mods": most_mods,
        "deterministic": deterministic,
        "log_level": log_level,
        "log_format": log_format,
    }
    given = prepare(root, api, options, reload_interval)
    deadline = time.monotonic() + amounts.seconds(timeout, "timeout")
    sock, process = spawn(log_to)
    try:
        return _begin(sock, process, given, api, deadline)
    except BaseException:
        sock.close()
        end(process)
        raise


def prepare(
    root: str | os.PathLike[str],
    api: "Api | None",
    options: Mapping[str, Any],
    reload_interval: float = RELOAD_INTERVAL,
) -> control.Setup:
    """What a supervisor is told first. Raises as `launch` does, of what is wrong with its arguments."""
    _require_linux()
    from . import game  # noqa: F401 - needs the ring: without it nothing is started

    packages, limits = options["packages"], options["limits"]
    if isinstance(packages, str):  # which is a sequence too, of letters
        raise ConfigError(f"packages={packages!r}: expected a list of names, such as [{packages!r}]")
    contract = packed_contract(api)
    given = {
        **options,
        "packages": list(packages),
        "limits": msgspec.to_builtins(limits) if limits is not None else None,
    }
    config = settings.merge(settings.Config(), given, "launch")
    interval = max(0.0, amounts.seconds(reload_interval, "reload_interval"))
    folder = os.fspath(root)
    if not isinstance(folder, str):
        raise ConfigError(f"root={folder!r:.200}: expected the mods folder's path as text, not as bytes")
    return control.Setup(str(settings.check_root(folder)), config, contract, interval)


def spawn(log_to: int | None = None) -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """Start a supervisor, which waits for its Setup at the other end of this socket. Raises MachineError."""
    from .packages import fumehood_folder

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-I", "-c", _CHILD, str(theirs.fileno()), fumehood_folder()]
        try:
            process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log_to,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise MachineError(f"the supervisor cannot be started: {error}") from None
    return ours, process


def _begin(
    sock: socket.socket,
    process: "subprocess.Popen[bytes]",
    setup: control.Setup,
    api: "Api | None",
    deadline: float,
) -> "Mods":
    from ..shared.messages import pack
    from .game import Mods
    from .link import Link

    try:
        sock.send(pack(setup), socket.MSG_NOSIGNAL)
        link = Link(sock)
        mods = Mods(link, *link.greet(deadline, setup.contract), api)
    except SupervisorDied as error:
        status = process.wait(END_PATIENCE) if process.poll() is None and not link_alive(sock) else process.poll()
        ended = f"; it ended with status {status}" if status is not None else ""
        raise SupervisorDied(f"the supervisor did not start{ended}: {error}") from None
    except FumehoodError:  # what the supervisor refused with; a MachineError is an OSError, too
        raise
    except OSError as error:
        raise SupervisorDied(f"the supervisor did not start: {error}") from None

    def leave(link: Link) -> None:
        try:
            link.bye(END_PATIENCE)
        finally:
            link.close()
            end(process)

    mods._on_close = leave
    try:
        mods.settle(max(0.0, deadline - time.monotonic()))
    except BaseException:
        mods._release()
        raise
    return mods


def link_alive(sock: socket.socket) -> bool:
    """Whether the other end of a socket is still open."""
    poll = select.poll()
    poll.register(sock, 0)
    return not poll.poll(0)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Reap the supervisor; kill it, and with it everything below it, when it does not end by itself."""
    try:
        process.wait(END_PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def connect(target: str | os.PathLike[str], *, api: "Api | None" = None, timeout: float = 10.0) -> "Mods":
    """Attach to the supervisor that serves folder `target` (`fumehood run`); `target` may also be its socket.

    The mods go on when this game closes or dies; the next game finds them with their state. `api`: as for `launch`;
    mods that were not written for it go down, with a diagnostic, until a game comes that they fit.

    `timeout`: seconds for all of it, the mods' settling too (which is not an error when it takes longer).

    Raises ConfigError (nobody serves that folder), AlreadyAttached (another game does), MachineError (not Linux),
    SupervisorDied (it did not answer within `timeout` seconds).
    """
    deadline = time.monotonic() + amounts.seconds(timeout, "timeout")
    contract = packed_contract(api)
    path, sock = reach(target)
    from . import address
    from .game import Mods
    from .link import Link

    try:
        try:
            address.knock(sock, path, deadline)
        except OSError as error:
            raise nobody_serves(target, path, error) from None
        check_peer(sock, path)
        link = Link(sock)
        mods = Mods(link, *link.greet(deadline, contract), api)
    except BaseException:
        sock.close()
        raise
    try:
        mods.settle(max(0.0, deadline - time.monotonic()))
    except BaseException:
        mods._release()
        raise
    return mods


def reach(target: str | os.PathLike[str]) -> tuple[str, socket.socket]:
    """The address of the supervisor that serves `target`, and a socket to connect to it. Raises MachineError."""
    _require_linux()
    from . import address

    return os.fspath(address.of(Path(target))), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def check_peer(sock: socket.socket, path: str) -> None:
    """See address.check_supervisor. Raises ConfigError."""
    from . import address

    address.check_supervisor(sock, path)


def nobody_serves(target: str | os.PathLike[str], path: str, error: OSError) -> FumehoodError:
    """The error for an address that cannot be connected to: nobody listens there, or takes nobody in (EAGAIN)."""
    if error.errno == errno.EAGAIN:
        return SupervisorDied("the supervisor did not answer in time")
    folder = os.fspath(target)
    text = f"start one first: fumehood run {folder} (no supervisor serves it: {path}: {error.strerror})"
    return ConfigError(text)


def _require_linux() -> None:
    if sys.platform != "linux":
        raise MachineError(
            f"fumehood confines mods with the Linux kernel, and this is {sys.platform}: "
            "run the game under WSL2 (Windows) or in a Linux container or virtual machine"
        )


def packed_contract(api: "Api | None") -> bytes:
    if api is None:
        return b""
    from ..shared.contract import packed
    from .api import Api

    if not isinstance(api, Api):
        raise UsageError(f"api has to be an Api, not {type(api).__name__}")
    return packed(api.contract())
