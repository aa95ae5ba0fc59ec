# What every script begins with, in a worker and in the throw-away process that proves it. HOST stands before it: what
# there is to be had. Standard library only.
import ctypes
import errno
import os
import platform
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
_NUMBERS = {
    "x86_64": {
        "read": 0, "write": 1, "open": 2, "mmap": 9, "mprotect": 10, "ioctl": 16, "madvise": 28, "shmget": 29, "shmat": 30,
        "pause": 34, "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "semget": 64, "msgget": 68, "fcntl": 72, "truncate": 76, "chdir": 80, "link": 86, "ptrace": 101, "syslog": 103,
        "setuid": 105, "setpgid": 109, "setsid": 112, "setreuid": 113, "setgroups": 116, "capget": 125, "capset": 126,
        "sigqueueinfo": 129, "mknod": 133, "uselib": 134, "personality": 135, "ustat": 136, "sched_setscheduler": 144,
        "modify_ldt": 154, "pivot_root": 155, "prctl": 157, "arch_prctl": 158, "adjtimex": 159, "setrlimit": 160,
        "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "quotactl": 179,
        "tkill": 200, "futex": 202, "io_setup": 206, "lookup_dcookie": 212, "epoll_create": 213, "remap_file_pages": 216,
        "timer_create": 222, "tgkill": 234, "mbind": 237, "mq_open": 240, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "inotify_init": 253, "migrate_pages": 256, "unshare": 272, "splice": 275,
        "vmsplice": 278, "move_pages": 279, "signalfd": 282, "timerfd_create": 283, "eventfd": 284, "fallocate": 285,
        "eventfd2": 290, "epoll_create1": 291, "pipe2": 293, "inotify_init1": 294, "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "kcmp": 312, "finit_module": 313, "sched_setattr": 314, "sched_getattr": 315, "seccomp": 317, "memfd_create": 319,
        "bpf": 321, "execveat": 322, "userfaultfd": 323, "membarrier": 324, "mlock": 149, "mlock2": 325, "pkey_mprotect": 329,
        "pkey_alloc": 330,
        "pread64": 17, "brk": 12, "mremap": 25, "mincore": 27, "getpid": 39, "sched_setaffinity": 203, "fadvise64": 221, "mlockall": 151,
        "sync": 162, "set_robust_list": 273,
    },
    "aarch64": {
        "ioctl": 29, "mknodat": 33, "pivot_root": 41, "mount": 40, "umount2": 39, "chroot": 51, "truncate": 45,
        "fallocate": 47, "splice": 76, "acct": 89, "capset": 91, "personality": 92, "unshare": 97, "futex": 98,
        "syslog": 116, "ptrace": 117, "kill": 129, "tkill": 130, "tgkill": 131, "reboot": 142, "setuid": 146,
        "setsid": 157, "sethostname": 161, "setrlimit": 164, "prctl": 167, "settimeofday": 170, "mq_open": 180,
        "msgget": 186, "semget": 190, "shmget": 194, "shmat": 196, "socket": 198, "socketpair": 199, "add_key": 217,
        "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221, "mmap": 222, "mprotect": 226, "mlock": 228,
        "madvise": 233, "mbind": 235, "perf_event_open": 241, "prlimit64": 261, "fanotify_init": 262,
        "name_to_handle_at": 264, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274, "seccomp": 277,
        "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282, "init_module": 105, "io_setup": 0,
        "eventfd2": 19, "epoll_create1": 20, "fcntl": 25, "inotify_init1": 26, "pipe2": 59, "vmsplice": 75,
        "timer_create": 107, "swapon": 224, "adjtimex": 171, "kexec_load": 104, "write": 64, "read": 63,
        "pread64": 67, "pkey_mprotect": 288, "mlock2": 284, "brk": 214, "mremap": 216, "mincore": 232, "getpid": 172,
        "sched_setaffinity": 122, "fadvise64": 223, "mlockall": 230, "sync": 81, "set_robust_list": 99,
        "sched_setscheduler": 119, "sigqueueinfo": 138, "timerfd_create": 85,
    },
}.get(platform.machine(), {})  # fmt: skip
_NUMBERS |= {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432,
    "fspick": 433, "pidfd_open": 434, "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "landlock_create_ruleset": 444, "memfd_secret": 447,
    "process_mrelease": 448, "futex_waitv": 449, "cachestat": 451, "map_shadow_stack": 453, "statmount": 457,
    "listmount": 458, "lsm_get_self_attr": 459,
}  # fmt: skip
_NUMBERS |= {
    "x86_64": {
        "mincore": 27, "shmctl": 31, "sendfile": 40, "sendto": 44, "sendmsg": 46, "semctl": 66, "msgctl": 71, "sync": 162,
        "delete_module": 176, "readahead": 187, "set_tid_address": 218, "clock_settime": 227, "mq_unlink": 241,
        "ioprio_set": 251, "renameat2": 316, "set_mempolicy": 238, "set_robust_list": 273, "get_robust_list": 274, "sendmmsg": 307,
    },
    "aarch64": {
        "mincore": 232, "shmctl": 195, "sendfile": 71, "sendto": 206, "sendmsg": 211, "semctl": 191, "msgctl": 187,
        "sync": 81, "delete_module": 106, "readahead": 213, "set_tid_address": 96, "clock_settime": 112, "mq_unlink": 181,
        "ioprio_set": 30, "renameat2": 276, "set_mempolicy": 237, "set_robust_list": 99, "get_robust_list": 100, "sendmmsg": 269,
        "timerfd_create": 85, "clock_adjtime": 266, "membarrier": 283, "move_pages": 239, "remap_file_pages": 234,
        "quotactl": 60, "rt_tgsigqueueinfo": 240, "sigqueueinfo": 138,
    },
}.get(platform.machine(), {}) | {"io_uring_enter": 426, "lsm_list_modules": 461}  # fmt: skip


RETURN = {"x86_64": b"\xc3", "aarch64": b"\xc0\x03\x5f\xd6"}.get(platform.machine(), b"")
"""A function, in machine code, that returns."""


def failed(what=""):
    """Raises OSError of the last call."""
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def syscall(name, *arguments):
    """Make a system call by name or number. Numbers, bytes, ctypes objects. Raises OSError."""
    number = name if isinstance(name, int) else _NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name}: not on {platform.machine()}")
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *words)
    if result == -1:
        failed(name)
    return result


def libcall(name, *arguments):
    """Call a function of the C library's by its name. Numbers, bytes, ctypes objects. Raises OSError."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = getattr(libc, name)(*words)
    if result == -1:
        failed(name)
    return result


def is_eventfd(fd):
    """Whether it counts wake-ups; reading it takes them."""
    try:
        return os.fstat(fd).st_mode >> 12 == 0 and len(os.read(fd, 8)) == 8
    except BlockingIOError:
        return True
    except OSError:
        return False


def mmap(length, protection=3, flags=0x22, fd=-1, offset=0):
    """An address. Raises OSError."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    address = libc.mmap(None, length, protection, flags, fd, offset)
    if address == ctypes.c_void_p(-1).value:
        failed("mmap")
    return address


def past(error, name, *arguments):
    """Make a call that the kernel refuses with `error` only after it has asked whether it may be made at all."""
    try:
        return syscall(name, *arguments)
    except OSError as found:
        if errno.errorcode.get(found.errno) not in error.split("|"):
            raise


def uring(operation, fd=-1, address=0, length=0, offset=0, flags=0):
    """Have an io_uring do one thing: its result. The kernel does it, and no call of that name is made. Raises OSError."""
    parameters = ctypes.create_string_buffer(120)
    ring = syscall("io_uring_setup", 4, parameters)
    sent, done = struct.unpack_from("10I", parameters, 40), struct.unpack_from("10I", parameters, 80)
    queue, entries = mmap(4096, 3, 1, ring, 0), mmap(4096, 3, 1, ring, 0x10000000)
    ctypes.memmove(entries, struct.pack("BBHiQQII32x", operation, 0, 0, fd, offset, address, length, flags), 64)
    ctypes.c_uint32.from_address(queue + sent[6]).value = 0
    ctypes.c_uint32.from_address(queue + sent[1]).value = 1
    syscall("io_uring_enter", ring, 1, 1, 1, None, 0)
    result = ctypes.c_int32.from_address(queue + done[5] + 8).value
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def i386(number, first=0, second=0, third=0):
    """Make a call of the 32-bit kind, by int 0x80: of three numbers, or addresses below 2**32. Where no memory can be
    made executable, by borrowed code: then it never returns."""
    if platform.machine() != "x86_64":
        raise NotImplementedError("only x86_64 has another kind of call")
    code = bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3")  # push rbx; number, first to ebx, the others swapped; pop; ret
    try:
        place = mmap(4096, 7)
    except PermissionError:
        borrowed([standing(b"\x58\xc3"), standing(b"\xcd\x80")], number, first, second, third)
    ctypes.memmove(place, code, len(code))
    result = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 4)(place)(number, first, second, third)
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def borrowed(way, number, first, second, third):
    """Make a call of the 32-bit kind by code that happens to stand in a library's bytes: setcontext loads the registers
    and goes to `way`: first to "pop rax; ret" for the number, then on. What stands behind is nobody's: it never returns.
    """
    stack = mmap(1 << 16, 3, 0x62) + (1 << 15)  # below 2**32: sysenter has a sixth argument read from there
    registers = (ctypes.c_uint64 * 128)()
    libc.getcontext(registers)
    for place, value in ((11, first), (14, second), (12, third), (10, stack), (15, stack)):  # rbx, rcx, rdx, rbp, rsp
        registers[5 + place] = value
    registers[5 + 16] = way[0]  # rip
    ctypes.memmove(stack, struct.pack("QQQ", number, *way[1:], *[0] * (3 - len(way))), 24)
    libc.setcontext(registers)


def wrote(*way):
    """Have a byte written by a borrowed call of the 32-bit kind; unconfined by a child, which that is the end of."""
    if platform.machine() != "x86_64":
        raise NotImplementedError("only x86_64 has another kind of call")
    text = mmap(4096, 3, 0x62)
    ctypes.memset(text, 33, 1)
    if "Link" in grip():
        borrowed(way, 4, 1, text, 1)
    ours, its = os.pipe()
    if os.fork() == 0:
        borrowed(way, 4, its, text, 1)
    os.close(its)
    os.wait()
    return os.read(ours, 1) or syscall("no such call")


def standing(code, last=False):
    """Where these bytes stand in the machine code of the first or last library that is loaded and has them. By their own
    headers, since there may be no /proc."""
    import ssl  # loads a large one; a worker has that already

    if platform.machine() != "x86_64":
        raise NotImplementedError("the code of another processor")
    entry, places = ctypes.CDLL("libc.so.6")._handle, []  # a struct link_map
    while before := ctypes.c_uint64.from_address(entry + 32).value:
        entry = before
    while entry:
        base, entry = (ctypes.c_uint64.from_address(entry + place).value for place in (0, 24))
        headers = ctypes.c_uint16.from_address(base + 56).value if base else 0  # none: a program at a fixed address
        for place in range(headers):
            kind, flags, _, at, _, size = struct.unpack("IIQQQQ", ctypes.string_at(base + 64 + 56 * place, 40))
            if kind == 1 and flags & 1 and (found := ctypes.string_at(base + at, size).find(code)) >= 0:
                places.append(base + at + found)
    return places[-last]


def mapped(pid, kind="r"):
    """An address that is mapped in that process, for instance "rw". Where nothing tells: one of ours, which all forks
    of one zygote share."""
    try:
        with open(f"/proc/{pid}/maps") as lines:
            return next(int(line.split("-")[0], 16) for line in lines if f" {kind}" in line)
    except OSError:
        return id(sys)


def grip():
    """The worker's own objects, by the names of their types: whatever stands on the stack is the mod's to use."""
    found, frame = {}, sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        for thing in (owner, *getattr(owner, "__dict__", {}).values()):
            found.setdefault(type(thing).__name__, thing)
        frame = frame.f_back
    return found


def upwards():
    """The socket to the supervisor. Unconfined there is none: one end of a pair of the same kind."""
    import socket

    link = grip().get("Link")
    pair = [] if link else socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fds = [os.dup(link._fd)] if link else [each.detach() for each in pair]
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fds[0])


def unpunished(done=None):
    """`done`, if the supervisor lets it pass. It ends at once whom it ends for it, but a moment later than that is done."""
    if confined():
        time.sleep(0.5)
    return done


def tell(**report):
    """Say to the supervisor what the mod likes, as a worker's report: `tell(type="Live", …)`."""
    from fumehood.shared.messages import pack

    os.write(grip()["Link"]._fd, pack(report))


def answer(*functions):
    """The next calls of `ping` are answered by these, one each, then as by any mod; so are as many frames."""
    from fumehood.worker import on

    pings, frames = list(functions), list(functions)
    on("ping", priority=1)(lambda: pings.pop(0)() if pings else "pong")
    on("frame")(lambda n: frames.pop(0)() if frames else n)


def raw(data):
    """Bytes that stand in an answer as they are."""
    from msgspec import Raw

    return Raw(data)


def confined():
    """Whether this is a worker: elsewhere there are no rings and no supervisor to lie to."""
    return "Link" in grip()


def falls(naive, *kinds):
    """That a naive reader falls for it: returns what it raised. Raises AssertionError when it does not."""
    try:
        naive()
    except kinds as error:
        return type(error).__name__
    raise AssertionError("nobody falls for it")


def segments():
    """(address, length) of what this worker writes and the game reads, and of what the game writes. In the throw-away
    process: of shared memory of its own, twice."""
    port = grip().get("Port")
    if port is None:
        return ((mmap(1 << 16, 3, 0x21), 1 << 16),) * 2
    return tuple(
        tuple((ctypes.c_size_t * 2).from_address(each + 16))
        for each in (ctypes.c_size_t * 2).from_address(id(port) + 16)
    )


def given(what):
    """The descriptor of the memory that this worker was given for its "state", to write, or of the game's "view", to
    read. In the throw-away process: of a memfd."""
    if "Worker" not in grip():
        fd = os.memfd_create(what, os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, 1 << 16)
        return fd
    if what == "state":
        return grip()["Worker"].state_fd
    from fumehood.worker import view

    view("seen")
    return grip()["Windows"]._entries["seen"].fd


def burn(seconds):
    """So much CPU time, in a loop of Python's."""
    import time

    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
