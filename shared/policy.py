"""Limits and modes: what one mod may use of the machine, with a default for each and the trade-off it makes."""

from enum import StrEnum

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Confinement(StrEnum):
    """How strongly workers are confined. A named choice, never a silent fallback."""

    FULL = "full"
    """Namespaces, private root, Landlock, seccomp, rlimits, no capabilities. A missing layer stops the start."""
    REDUCED = "reduced"
    """Without namespaces (Landlock, seccomp, rlimits, no capabilities): for hosts that forbid user namespaces.

    Gives up: stat() and access() tell which host paths exist; the host's name and process numbers can be read; scratch
    is a folder on disk, looked at once a second, and every 5 s at what is deleted there and mapped (a worker over its
    limits is killed); chmod and utime are refused.
    """


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one mod may use. A mod may lower what the game set, under `[tool.fumehood.limits]` in its PEP 723 block or
    under `[limits]` in its mod.toml, never raise it: `Limits.within` says which field asks for more. `ring_bytes` is
    the game's alone.

    Fields, in bytes: `memory`, `resident`, `scratch_bytes`, `file_size`, `state_bytes`, `snapshot_bytes`, `ring_bytes`,
    `log_bytes` (a second); in seconds: `hang_after`, `load_timeout`, `drain_timeout`, `query_timeout`, `cpu_window`,
    `cpu_total`; counts: `files`, `scratch_inodes`, `snapshot_files`, `queries_per_request`, `intents_per_frame`,
    `log_lines` (a second); of a core: `cpu_share`.
    """

    memory: int = 256 * MIB
    """Address space beyond the zygote's, bytes. At the limit the mod's own allocation fails (MemoryError)."""
    resident: int = 128 * MIB
    """Resident memory of its own, bytes; sampled from outside. Past it the worker is killed and rolled back."""
    cpu_share: float = 0.9
    """CPU seconds a second it may use, averaged over `cpu_window`; polling for the next message of a busy game does not
    count. One that says it has nothing to do may use a tenth of a second a second, whatever stands here."""
    cpu_window: float = 10.0
    cpu_total: int = 3600
    """CPU seconds of one worker's whole life (RLIMIT_CPU): the last bound when everything else failed. A good mod does
    not notice: at four fifths of it a fresh worker of the same version takes over, with the state."""
    hang_after: float = 1.0
    """Seconds one handler may run before its stack is taken and it is killed."""
    load_timeout: float = 5.0
    """Seconds for each stage of a candidate (compile, import, selftest, rehearse)."""
    drain_timeout: float = 1.0
    """Seconds an old version may take to finish what it was sent before the swap, and to hand its state over."""
    files: int = 64
    """Open descriptors (RLIMIT_NOFILE). Imports hold one or two at a time."""
    scratch_bytes: int = 16 * MIB
    scratch_inodes: int = 1024
    """Its private tmpfs: holds the mod's own files, and what it writes."""
    file_size: int = 16 * MIB
    """Longest file it may write (RLIMIT_FSIZE)."""
    state_bytes: int = 4 * MIB
    """Pickled `state`. Larger: slower hand-over (about 35 ms a MiB) and slower checkpoints."""
    log_lines: float = 200.0
    """Log lines a second (token bucket, burst of one second); past it they are dropped and counted."""
    log_bytes: int = 64 * KIB
    """Bytes of log text a second, likewise. Smaller: a traceback may be lost; larger: a disk fills sooner."""
    query_timeout: float = 1.0
    """Seconds a handler waits for the game's answer to a query. The game answers while it waits for mods itself, so one
    that is paused for longer lets queries of handlers time out that it posted to. Waiting does not count as hanging."""
    queries_per_request: int = 1_000
    """Queries that are answered in one handling of what the game sent; more of them wait, in vain. Bounds what a storm
    of queries takes of a frame, beside the frame's budget."""
    intents_per_frame: int = 10_000
    """Intents of one mod kept between two looks of the game; past it they are dropped and counted."""
    snapshot_bytes: int = 8 * MIB
    snapshot_files: int = 256
    """Size and number of a mod's own files."""
    ring_bytes: int = 128 * KIB
    """Capacity of each ring, a power of two. A message may be half of it."""

    def within(self, ceiling: "Limits") -> list[str]:
        """Names of the fields that ask for more than `ceiling`. Empty: allowed."""
        return [name for name in self.__struct_fields__ if getattr(self, name) > getattr(ceiling, name)]

    def cite(self, *names: str) -> str:
        """How whatever tells of a crossed limit names it: ``(limit: files = 64)``. Several: one of them, which of them
        cannot be told. `names`: of fields."""
        return f"(limit: {' or '.join(f'{name} = {getattr(self, name)}' for name in names)})"


class Probation(msgspec.Struct, frozen=True, kw_only=True):
    """What a version must survive after its adoption before it is called good."""

    seconds: float = 5.0
    """Longer: a bad version is caught later; shorter: an error burst that comes late is no longer rolled back."""
    errors: int = 5
    """So many handler errors within probation roll it back, if the version before had fewer in its last period."""


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """Erlang/OTP's restart intensity: more than `burst` restarts within `period` seconds and the digest is out."""

    burst: int = 3
    period: float = 30.0
