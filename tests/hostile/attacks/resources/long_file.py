"""Writes one file longer than a file may be."""

FULL = "EFBIG", "rlimits"
LIMITS = {"file_size": 1048576}


def attack():
    with open("file", "wb", buffering=0) as file:
        file.writelines(bytes(1 << 19) for _ in range(4))
