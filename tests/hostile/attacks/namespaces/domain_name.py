"""Learns the host's domain, which stands beside its name and which Python does not show."""

FULL = "LookupError", "uts namespace"
REDUCED = "got it", "the host's name and process numbers can be read"


def attack():
    names = ctypes.create_string_buffer(6 * 65)
    libcall("uname", names)
    domain = names.raw[5 * 65 :].rstrip(b"\0").decode()
    if domain != HOST["domain"]:
        raise LookupError(f"it is told {domain!r}")
    return domain
