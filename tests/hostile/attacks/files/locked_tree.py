"""Leaves folders in its scratch that even their owner may not enter, with files in them."""

FULL = "answers", "careful removal"
JUDGED = "game"
ALONE = "it may make folders in its scratch: what is attacked is whoever clears it up"


def attack():
    inner = []
    for name in ("a", "a/b", "a/b/c"):
        os.mkdir(name)
        open(f"{name}/file", "w").close()
        inner.append(os.open(name, os.O_RDONLY))
    os.umask(0o777)
    for folder in inner:
        os.mkdir("locked", dir_fd=folder)
