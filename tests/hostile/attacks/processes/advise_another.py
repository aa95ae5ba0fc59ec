"""Has another process's memory moved out to disk."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama), or CAP_SYS_NICE", "ENOSYS": "process_madvise"}


def attack():
    start = mapped(HOST["victim"], "rw")
    return syscall(
        "process_madvise", os.pidfd_open(HOST["victim"]), struct.pack("QQ", start, 4096), 1, 21, 0
    )  # PAGEOUT
