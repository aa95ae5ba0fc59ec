"""Leaves names in its scratch that are no text, or that a terminal obeys."""

FULL = "answers", "careful removal"
JUDGED = "game"
ALONE = "it may give its files what names it likes: what is attacked is whoever clears them up"


def attack():
    for name in (b"\xff\xfe", b"\x1b]0;owned\x07", b"-rf", b"new\nline", b"*", b"\xed\xa0\x80", b"n" * 255):
        os.mkdir(name)
        os.close(os.open(name + b"/" + name, os.O_CREAT | os.O_WRONLY))
