"""From the way a worker ended to a diagnostic a mod author can use: pure text in, diagnostic out."""

import re
import signal
from typing import Final

import msgspec

from ..shared.exits import Exit
from ..shared.messages import Diagnostic
from ..shared.policy import MIB, Limits
from ..shared.states import Stage
from .text import escape_diagnostic

_FRAME: Final = re.compile(r'^\s*File "[^"]*?/mods/([^"\n]{1,300})", line (\d{1,7})(?: in (\S{1,200}))?', re.MULTILINE)
_OURS: Final = re.compile(r'^\s*File "(?:<frozen importlib|[^"]*?/fumehood/(?:worker|shared)/)')
_MODS: Final = re.compile(r'File "[^"\n]*?/mods/')
STACK_LIMIT: Final = 4096
"""Characters of a dump that are kept: the innermost frames come first in faulthandler's dumps."""

SPENT: Final = 0.75
"""Past this part of `cpu_total` an unexplained SIGKILL is taken for the kernel's: the last sample may be 5 s old."""
_OUT_OF_CPU: Final = (signal.SIGKILL, signal.SIGXCPU)
_SIGNALS: Final = {
    signal.SIGSEGV: "segmentation fault (or abort)",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "arithmetic error",
    signal.SIGILL: "illegal instruction",
    signal.SIGABRT: "abort",
    signal.SIGSYS: "forbidden system call",
    signal.SIGXCPU: "CPU time limit",
    signal.SIGKILL: "killed",
}


def locate(dump: str) -> tuple[str, int]:
    """File (relative to the mods' root) and line of the innermost frame of the mod's in a faulthandler dump."""
    found = _FRAME.search(dump)
    return (found[1], int(found[2])) if found else ("", 0)


def clean(dump: str) -> str:
    """A faulthandler dump, innermost frame first, up to the mod's outermost frame: what called the mod is ours."""
    lines = dump.splitlines(keepends=True)
    last = next((at for at in range(len(lines) - 1, -1, -1) if _FRAME.match(lines[at])), len(lines) - 1)
    kept = [line for line in lines[: last + 1] if not _OURS.match(line)]
    return _MODS.sub('File "', "".join(kept))


def of_exit(
    status: int | None,
    stderr: str,
    stage: str,
    limits: Limits,
    last_words: Diagnostic | None = None,
    cpu: float = 0.0,
) -> Diagnostic:
    """Say why a worker that was not told to end is gone.

    `status`: as os.waitstatus_to_exitcode; None: it could not be learned. `stderr`: what it wrote there, and
    `last_words`: the last error it told of, both clean. Only a worker out of memory says in them where that was.
    `cpu`: CPU seconds of its life, as sampled last: the kernel's SIGKILL at `cpu_total` does not say what it is for.
    """
    file, line = locate(stderr)
    dump = clean(stderr)[-STACK_LIMIT:]
    if status == Exit.WORKER_MEMORY:
        message = f"memory limit reached: an allocation beyond {limits.memory // MIB} MiB failed"
        message += f" {limits.cite('memory')}"
        if last_words is not None and last_words.kind == "MemoryError":
            return msgspec.structs.replace(last_words, stage=stage, kind="MemoryLimit", message=message)
        return Diagnostic(stage, "MemoryLimit", message, file, line, traceback=dump)
    if status == Exit.WORKER_FILES:
        what = "it holds every descriptor that it may have, and could not be handed what it needs"
        return of_limit("files", stage, limits.files, what, "")
    if status is None:
        return Diagnostic(stage, "Crashed", "the worker is gone; how it ended could not be learned", file, line)
    if -status in _OUT_OF_CPU and cpu >= SPENT * limits.cpu_total:
        what = f"its process has used the CPU time of its whole life, {limits.cpu_total} s"
        return of_limit("cpu_total", stage, limits.cpu_total, what, stderr)
    if status == -signal.SIGXFSZ:
        return of_limit("file_size", stage, limits.file_size, "it wrote a file that is longer than it may be", stderr)
    if status < 0:
        try:
            number = signal.Signals(-status)
            name, meaning = number.name, _SIGNALS.get(number, "signal")
        except ValueError:
            name, meaning = f"signal {-status}", "signal"
        return Diagnostic(stage, name, f"the worker died: {meaning} ({name})", file, line, traceback=dump)
    what = f"the mod ended its own process with status {status}"
    if stage == Stage.CONFINE:
        what = f"the worker ended with status {status} before it was given the mod"
    return Diagnostic(stage, "Exited", what, file, line, traceback=dump)


def of_limit(limit: str, stage: str, value: object, what: str, dump: str) -> Diagnostic:
    """Say which limit a worker was killed for. `dump`: its stack, if it gave one."""
    file, line = locate(dump)
    return Diagnostic(
        stage, "LimitExceeded", f"{what} (limit: {limit} = {value})", file, line, traceback=clean(dump)[:STACK_LIMIT]
    )


def with_source(diagnostic: Diagnostic, key: str, folder: bool, files: dict[str, bytes]) -> Diagnostic:
    """The same with its source line, from the snapshot that the worker ran. `key`: of the mod; clean."""
    if diagnostic.source or not diagnostic.line:
        return diagnostic
    below = f"{key}/" if folder else f"{key.rpartition('/')[0]}/".lstrip("/")
    lines = files.get(diagnostic.file.removeprefix(below), b"").splitlines()[diagnostic.line - 1 : diagnostic.line]
    return escape_diagnostic(msgspec.structs.replace(diagnostic, source=b"".join(lines).decode(errors="replace")))


def of_misbehaviour(reason: str, stage: str) -> Diagnostic:
    """Say that a worker sent what no honest worker sends."""
    return Diagnostic(stage, "ProtocolError", f"the worker was killed: {reason}")
