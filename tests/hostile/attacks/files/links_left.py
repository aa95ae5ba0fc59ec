"""Leaves links to folders of the host's in its scratch, so that clearing up deletes what is there."""

FULL = "answers", "careful removal"
JUDGED = "game"
ALONE = "it may make links in its scratch: what is attacked is whoever clears it up"


def attack():
    os.symlink(HOST["folder"], "trap")
    os.mkdir("folder")
    os.symlink(HOST["folder"], "folder/trap")
    os.symlink("..", "folder/round")
