"""From the way a worker ended to a diagnostic a mod author can use: pure text in, diagnostic out."""

import re
import signal
from typing import Final

import msgspec

from ..shared.exits import Exit
from ..shared.messages import Diagnostic
from ..shared.policy import MIB, Limits
from ..shared.states import Stage
from .snapshot import Library, Snapshot
from .text import LONGEST_LINE, escape, escape_diagnostic

# For one line each, and nothing in them can match in two ways: what they look at is the mod's to choose.
_FRAME: Final = re.compile(r'[ \t]*File "([^"\n]*)", line (\d{1,7})')
_OURS: Final = re.compile(r'[ \t]*File "(?:<frozen importlib|[^"\n]*?/fumehood/(?:worker|shared)/)')
_MOST_ROOTS: Final = 8
"""How many of the folders `mods` in a path may be the worker's root: some lie above it, or in the mod."""
_ESCAPED: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U00(0[0-9a-f]{5}|10[0-9a-f]{4}))")
_MODS: Final = re.compile(r'File "[^"\n]*?/mods/')
STACK_LIMIT: Final = 4096
"""Characters of a dump that are kept: the innermost frames come first in faulthandler's dumps."""
LONGEST_QUOTED: Final = 128 * 1024
"""Bytes at the beginning of a file whose lines are quoted: 3000 lines. More: a file of empty lines costs more than the
few milliseconds that these take; less: an error far down in a long file is told without its line."""

SPENT: Final = 0.7
"""Past this part of `cpu_total` an unexplained SIGKILL is taken for the kernel's: the last sample may be 5 s old, and
the kernel counts differently (`patrol.WORN`)."""
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


def locate(dump: str, taken: Snapshot) -> tuple[str, int]:
    """File (relative to the mods' root) and line of the innermost frame of the mod's in a faulthandler dump.

    `taken`: what the worker ran. A dump may be the mod's own making: a frame in anybody else's file is none.
    """
    for text in dump.split("\n"):
        if found := _FRAME.match(text):
            parts = found[1].split("/mods/", _MOST_ROOTS)
            for at in range(1, len(parts)):
                below = "/mods/".join(parts[at:])
                for file in (below, _ESCAPED.sub(_character, below)):  # faulthandler writes ASCII
                    if _content(file, taken) is not None:
                        return escape(file, LONGEST_LINE), int(found[2])
    return "", 0


def _is_frame(text: str) -> bool:
    found = _FRAME.match(text)
    return found is not None and "/mods/" in found[1]


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2] or found[3], 16))


def _content(file: str, taken: Snapshot) -> bytes | None:
    """What a file holds, by its path below the mods' root; None: it is neither the mod's nor of what it requires."""
    carried: tuple[Snapshot | Library, ...] = (taken, *taken.libraries)
    for each in carried:
        below = f"{each.key}/" if each.folder else each.key[: each.key.rfind("/") + 1]
        if file.startswith(below) and (found := each.files.get(file[len(below) :])) is not None:
            return found
    return None


def clean(dump: str) -> str:
    """A faulthandler dump, innermost frame first, up to the mod's outermost frame: what called the mod is ours."""
    lines = dump.splitlines(keepends=True)
    last = next((at for at in range(len(lines) - 1, -1, -1) if _is_frame(lines[at])), len(lines) - 1)
    kept = [line for line in lines[: last + 1] if not _OURS.match(line)]
    return _MODS.sub('File "', "".join(kept))


def of_exit(
    status: int | None,
    stderr: str,
    stage: str,
    limits: Limits,
    taken: Snapshot,
    last_words: Diagnostic | None = None,
    cpu: float = 0.0,
) -> Diagnostic:
    """Say why a worker that was not told to end is gone.

    `status`: as os.waitstatus_to_exitcode; None: it could not be learned. `stderr`: what it wrote there, and
    `last_words`: the last error it told of, both clean. Only a worker out of memory says in them where that was.
    `taken`: what it ran.
    `cpu`: CPU seconds of its life, as sampled last: the kernel's SIGKILL at `cpu_total` does not say what it is for.
    """
    file, line = locate(stderr, taken)
    dump = clean(stderr)[-STACK_LIMIT:]
    if status == Exit.WORKER_MEMORY:
        message = f"memory limit reached: an allocation beyond {limits.memory // MIB} MiB failed"
        message += f" {limits.cite('memory')}"
        if last_words is not None and last_words.kind == "MemoryError":
            return msgspec.structs.replace(last_words, stage=stage, kind="MemoryLimit", message=message)
        return Diagnostic(stage, "MemoryLimit", message, file, line, traceback=dump)
    if status == Exit.WORKER_FILES:
        what = "it holds every descriptor that it may have, and could not be handed what it needs"
        return of_limit("files", stage, limits.files, what, "", taken)
    if status is None:
        return Diagnostic(stage, "Crashed", "the worker is gone; how it ended could not be learned", file, line)
    if -status in _OUT_OF_CPU and cpu >= SPENT * limits.cpu_total:
        what = f"its process has used the CPU time of its whole life, {limits.cpu_total} s"
        return of_limit("cpu_total", stage, limits.cpu_total, what, stderr, taken)
    if status == -signal.SIGXFSZ:
        what = "it wrote a file that is longer than it may be"
        return of_limit("file_size", stage, limits.file_size, what, stderr, taken)
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


def of_limit(limit: str, stage: str, value: object, what: str, dump: str, taken: Snapshot) -> Diagnostic:
    """Say which limit a worker was killed for. `dump`: its stack, if it gave one; `taken`: what it ran."""
    file, line = locate(dump, taken)
    return Diagnostic(
        stage, "LimitExceeded", f"{what} (limit: {limit} = {value})", file, line, traceback=clean(dump)[:STACK_LIMIT]
    )


def of_report(told: Diagnostic, taken: Snapshot) -> Diagnostic:
    """What a worker that runs `taken` said of itself, clean; where it says that it was in a file of another mod's, or
    of nobody's, without the place: nobody is blamed for it."""
    if told.file and _content(told.file, taken) is None:
        told = msgspec.structs.replace(told, file="", line=0, column=0, end_column=0, source="")
    return escape_diagnostic(told)


def with_source(diagnostic: Diagnostic, taken: Snapshot) -> Diagnostic:
    """The same with its source line, from the snapshot that the worker ran; clean.

    For what ends a worker, and not for each error that it tells of: finding a line takes milliseconds.
    """
    if diagnostic.source or not diagnostic.line:
        return diagnostic
    content = _content(diagnostic.file, taken) or b""
    lines = content[:LONGEST_QUOTED].splitlines()[diagnostic.line - 1 : diagnostic.line]
    return escape_diagnostic(msgspec.structs.replace(diagnostic, source=b"".join(lines).decode(errors="replace")))


def of_misbehaviour(reason: str, stage: str) -> Diagnostic:
    """Say that a worker sent what no honest worker sends."""
    return Diagnostic(stage, "ProtocolError", f"the worker was killed: {reason}")
