"""Executes a program by its descriptor, without a path."""

FULL = "EPERM", "seccomp"


def attack():
    fd = os.open(os.__file__ if "Worker" in grip() else sys.executable, os.O_RDONLY)
    words = (ctypes.c_char_p * 4)(b"python", b"-c", b'print(\'["got it", ""]\')', None)
    return syscall("execveat", fd, b"", words, words, 0x1000)
