"""Never reads a command again, and copies its socket so that it stays open."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "it may say of itself what it likes: what is attacked is whoever believes it"


def attack():
    link = grip()["Link"]
    for _ in range(30):
        os.dup(link._fd)
    link.receive = type(link).receive = lambda self=None, **_: None
