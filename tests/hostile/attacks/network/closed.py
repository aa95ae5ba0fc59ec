"""Closes its end of the supervisor's socket and goes on, so that it cannot be told to end."""

FULL = "answers|SIGKILL|ProtocolError", "stage deadlines"  # the supervisor ends who has hung up, if it sees it in time
JUDGED = "game"
ALONE = "a process may close what it likes: what is attacked is whoever counts on it"


def attack():
    os.close(3)
