"""The system calls a worker may make: an allow-list, compiled once by libseccomp, installed per worker in one call.

What is not named is refused with EPERM. Another architecture's calls (int 0x80, x32) kill the process: their numbers
mean other things. Arguments are compared in their lower 32 bits, as the kernel reads them.

Refused on purpose, beyond the obvious (exec, mount, ptrace, bpf, io_uring, keys):

- fork, clone: no processes, no threads ("can't start new thread"). clone3 says ENOSYS: its flags cannot be seen.
- socket, socketpair, sendmsg, sendto: a worker answers by write(); Landlock misses UDP and path sockets, and AF_VSOCK
  leaves a network namespace.
- memfd_create, shmget, pipe, shared anonymous mmap: memory outside RLIMIT_AS and the resident set (of a shared mapping
  one page keeps the whole alive), and System V segments outlive the worker. MAP_HUGETLB: a pool of the host's.
- truncate in the reduced mode, and O_TRUNC without writing in both: Landlock judges them from its version 3 on only.
- PROT_EXEC in mmap and mprotect: no new machine code, so no extension that was not preloaded.
- fallocate, and madvise but for three: size seals do not stop hole punching in a shared ring.
- F_SETFL, F_SETOWN, leases, flock, inotify: they act on descriptions shared with the supervisor.
- F_SETLK and its kin lock nothing and say that they did: locks on the library's files would be heard by other mods and
  felt by the host, and are kernel memory that no limit counts. A scratch has one process, so nobody can tell: sqlite3
  keeps its connections apart by itself. F_GETLK stays (sqlite3 needs it for a WAL): nobody locks, so it tells nothing.
- Reads and writes past the page cache (O_DIRECT, O_SYNC, flags of preadv2 and pwritev2): no limit counts a disk's time.
  fsync and its kin do nothing and say that they did: they write out by a file that may only be read, too, and a scratch
  ends with its worker, so nobody can tell. RWF_NOWAIT besides tells which pages of the library others have read.
- open's fourth access mode, 3: neither reading nor writing, so Landlock judges nothing, but it is more than O_PATH.
- mremap that leaves the old place mapped (DONTUNMAP): nothing honest needs it. One to a chosen place (FIXED) is how an
  array that is kept becomes private: see `_window.c`.
- futex beyond wait and wake: FUTEX_REQUEUE through a read-only mapping moves another's waiter away.
- fchmod, and setting times without a path: they reach what has no name. A view is one file for all mods; where the game
  runs as an ordinary user it is the workers' own, and with mode 0 it could not be opened for whoever comes next.
- renameat2 that leaves a whiteout: that is a device file, which mknod may not make, and Landlock does not judge it.
- CPU clocks by process number: the game's tells to the nanosecond when it works.
- kill in all its forms: nobody else is there, and faults are forced on a pid 1 without it. abort() ends in SIGSEGV.
"""

import ctypes.util
import errno
import os
import struct
from types import ModuleType
from typing import Any, Final

from ...shared.policy import Confinement
from . import LayerMissing
from .calls import Call, call


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


READING: Final = _names(
    "read pread64 readv preadv lseek close fstat newfstatat stat lstat statx access "
    "faccessat faccessat2 readlink readlinkat getdents64 getcwd chdir fchdir statfs fstatfs umask dup dup2 "
    "dup3 close_range"
)
WRITING: Final = _names(
    "write pwrite64 writev pwritev ftruncate mkdir mkdirat rmdir unlink "
    "unlinkat rename renameat link linkat symlink symlinkat"
)
PLAIN: Final = _names("preadv2 pwritev2")
"""Without any of their flags, as Python calls them."""
SYNCING: Final = _names("fsync fdatasync msync")
"""Pretended: nothing that a worker writes has to last, and on the library they would have the host write."""
OWNING: Final = _names("chmod fchmodat utime utimes truncate")
"""Landlock does not judge these (truncate: before version 3). Allowed only inside the private root, where all that is
writable is the worker's; and futimesat and utimensat, with a path that is not empty."""
MEMORY: Final = _names("munmap brk")
TIME: Final = _names("nanosleep gettimeofday time times getitimer setitimer alarm")
CLOCKS: Final = _names("clock_gettime clock_getres clock_nanosleep")
"""Of the clocks that have a name. A number below zero is a process's or thread's CPU clock, which the kernel shows
to everybody, or a descriptor's."""
WAITING: Final = _names("poll ppoll select pselect6 pause restart_syscall sched_yield")
SIGNALS: Final = _names(
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack"
)
SELF: Final = _names(
    "exit exit_group getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups "
    "getpgid getpgrp getsid getrusage getrlimit getpriority getcpu sched_getaffinity sched_getscheduler "
    "sched_getparam sched_get_priority_max sched_get_priority_min uname sysinfo getrandom"
)
"""sysinfo tells the host's load, memory and process count, and stays: glibc's sysconf("SC_PHYS_PAGES"), which its qsort
asks too, does not look whether it failed and goes on with whatever lay on the stack. SECURITY.md lists it."""
RECEIVING: Final = ["recvmsg", "recvfrom"]
"""A spare gets its first descriptors with recvmsg. There is no sending counterpart."""

ALLOWED: Final = (*READING, *WRITING, *MEMORY, *TIME, *WAITING, *SIGNALS, *SELF, *RECEIVING)

ANSWERS: Final = {
    **dict.fromkeys(
        _names(
            "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr "
            "lremovexattr fremovexattr"
        ),
        errno.ENOTSUP,  # shutil.copy2 takes this for "no attributes here", EPERM for a failure
    ),
    "ioctl": errno.ENOTTY,  # what isatty expects; Python's FIOCLEX then falls back to fcntl
}
UNKNOWN: Final = {
    "clone3": 435,
    "openat2": 437,
    "futex_waitv": 449,
    "fchmodat2": 452,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
}
"""Calls a C library falls back from when it is told ENOSYS. By number (one for all architectures from 424 on), since
libseccomp may be older than they are."""

PROT_EXEC: Final = 4
_MAP_TYPE: Final = 0x0F
_MAP_PRIVATE: Final = 2
_MAP_ANONYMOUS: Final = 0x20
_MAP_HUGETLB: Final = 0x40000
_MREMAP_FLAGS: Final = 1 | 2  # MAYMOVE, FIXED
MADVISE: Final = (4, 8, 14)  # DONTNEED, FREE, HUGEPAGE
FUTEX: Final = (0, 1, 9, 10)  # WAIT, WAKE, WAIT_BITSET, WAKE_BITSET
_RENAME_FLAGS: Final = 1 | 2  # NOREPLACE, EXCHANGE
_AT_EMPTY_PATH: Final = 0x1000
_FUTEX_FLAGS: Final = 128 | 256  # PRIVATE, CLOCK_REALTIME
FCNTL: Final = (0, 1, 2, 3, 5, 1030, 1034)  # DUPFD, GETFD, SETFD, GETFL, GETLK, DUPFD_CLOEXEC, GET_SEALS
LOCKING: Final = (6, 7, 37, 38)  # SETLK, SETLKW, OFD_SETLK, OFD_SETLKW
PRCTL: Final = (2, 3, 16, 21, 23, 27, 39)  # GET_PDEATHSIG, GET_DUMPABLE, GET_NAME, GET_SECCOMP, CAPBSET_READ, …
"""Asking alone. Not SET_NAME (15): the host's ps, top and kernel log show it, and it may hold terminal escapes."""

_WORD: Final = 0xFFFFFFFF
_SIGN: Final = 0x80000000
_PAST_THE_CACHE: Final = os.O_DIRECT | os.O_SYNC  # the latter has O_DSYNC's bit
_SET_MODE_FILTER: Final = 1
_INSTRUCTION: Final = 8
"""Bytes of a BPF instruction."""
REMEDY: Final = "apt-get install libseccomp2, or dnf install libseccomp, or pacman -S libseccomp"


def library() -> ModuleType:
    """Import pyseccomp. Raises LayerMissing, with the command that installs it, when libseccomp is not there.

    pyseccomp looks its two libraries up by running ldconfig or gcc; their names are known here, so the search is spared
    (40 ms, and two programs executed where none need be).
    """
    search = ctypes.util.find_library
    names = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}

    def known(name: str) -> str | None:
        try:
            ctypes.CDLL(names[name])
        except (KeyError, OSError):
            return search(name)
        return names[name]

    ctypes.util.find_library = known
    try:
        import pyseccomp  # imported here: it fails where libseccomp is missing, and the doctor wants to say so
    except (ImportError, RuntimeError, OSError) as error:
        raise LayerMissing("seccomp", f"libseccomp cannot be loaded ({error})", REMEDY) from error
    finally:
        ctypes.util.find_library = search
    module: ModuleType = pyseccomp
    return module


class Program:
    """A compiled filter, and the one call that installs it."""

    def __init__(self, instructions: bytes) -> None:
        self._memory = ctypes.create_string_buffer(instructions, len(instructions))
        self._described = struct.pack("HxxxxxxQ", len(self), ctypes.addressof(self._memory))  # a struct sock_fprog

    def __len__(self) -> int:
        """How many instructions."""
        return len(self._memory) // _INSTRUCTION

    def install(self) -> list[Call]:
        """Apply to this thread for good. Needs no_new_privs. The program must outlive the list."""
        return [call("seccomp", "seccomp", _SET_MODE_FILTER, 0, self._described)]


def compile_program(mode: Confinement) -> Program:
    """In the zygote: the allow-list as BPF. Raises LayerMissing."""
    lib = library()
    rules = lib.SyscallFilter(lib.ERRNO(errno.EPERM))
    rules.set_attr(lib.Attr.ACT_BADARCH, lib.KILL_PROCESS)
    rules.set_attr(lib.Attr.CTL_OPTIMIZE, 2)  # a tree, not a list: the kernel walks it once per number at installation
    names = ALLOWED + (tuple(OWNING) if mode is Confinement.FULL else ())
    for name in names:
        rules.add_rule(lib.ALLOW, name)
    for name in SYNCING:
        rules.add_rule(lib.ERRNO(0), name)
    for name, number in ANSWERS.items():
        rules.add_rule(lib.ERRNO(number), name)
    for number in UNKNOWN.values():
        rules.add_rule(lib.ERRNO(errno.ENOSYS), number)
    _add_filtered(lib, rules)
    if mode is Confinement.FULL:
        path = lib.Arg(1, lib.NE, 0)
        rules.add_rule(lib.ALLOW, "futimesat", path)
        rules.add_rule(lib.ALLOW, "utimensat", path, lib.Arg(3, lib.MASKED_EQ, _AT_EMPTY_PATH, 0))
    with os.fdopen(os.memfd_create("fumehood:bpf", os.MFD_CLOEXEC), "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return Program(file.read())


def _add_filtered(lib: ModuleType, rules: Any) -> None:
    """The calls that are allowed with some arguments only."""

    def masked(argument: int, value: int, mask: int = _WORD) -> Any:
        return lib.Arg(argument, lib.MASKED_EQ, mask, value)

    inert = masked(2, 0, PROT_EXEC)
    rules.add_rule(lib.ALLOW, "mmap", inert, masked(3, _MAP_PRIVATE, _MAP_TYPE | _MAP_HUGETLB))
    rules.add_rule(lib.ALLOW, "mmap", inert, masked(3, 0, _MAP_ANONYMOUS | _MAP_HUGETLB))  # of a file
    for name, flags in (("open", 1), ("openat", 2)):
        rules.add_rule(lib.ALLOW, name, masked(flags, os.O_RDONLY, os.O_ACCMODE | os.O_TRUNC | _PAST_THE_CACHE))
        for writing in (os.O_WRONLY, os.O_RDWR):  # judged by Landlock; any other O_TRUNC empties what it may read
            rules.add_rule(lib.ALLOW, name, masked(flags, writing, os.O_ACCMODE | _PAST_THE_CACHE))
    for name in PLAIN:
        rules.add_rule(lib.ALLOW, name, masked(5, 0))
    rules.add_rule(lib.ALLOW, "mprotect", masked(2, 0, PROT_EXEC))
    rules.add_rule(lib.ALLOW, "mremap", masked(3, 0, _WORD & ~_MREMAP_FLAGS))
    for advice in MADVISE:
        rules.add_rule(lib.ALLOW, "madvise", masked(2, advice))
    for operation in FUTEX:
        rules.add_rule(lib.ALLOW, "futex", masked(1, operation, _WORD & ~_FUTEX_FLAGS))
    for command in FCNTL:
        rules.add_rule(lib.ALLOW, "fcntl", masked(1, command))
    for command in LOCKING:
        rules.add_rule(lib.ERRNO(0), "fcntl", masked(1, command))
    for name in CLOCKS:
        rules.add_rule(lib.ALLOW, name, masked(0, 0, _SIGN))
    rules.add_rule(lib.ALLOW, "renameat2", masked(4, 0, _WORD & ~_RENAME_FLAGS))
    for option in PRCTL:
        rules.add_rule(lib.ALLOW, "prctl", masked(0, option))
    rules.add_rule(lib.ALLOW, "prlimit64", masked(0, 0), lib.Arg(2, lib.EQ, 0))  # reading its own, never setting
