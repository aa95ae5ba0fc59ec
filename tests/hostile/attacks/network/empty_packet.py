"""Sends an empty packet, which looks like the end of the connection, and goes on."""

FULL = "answers", "stage deadlines"
JUDGED = "game"
ALONE = "anybody may write nothing: what is attacked is whoever reads it"


def attack():
    if libc.write(3, b"", 0) < 0:
        failed("write")
