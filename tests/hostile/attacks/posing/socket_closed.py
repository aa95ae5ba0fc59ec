"""Closes its socket, so that nobody can tell it anything, and lives on."""

FULL = "SIGKILL|ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def wait():
    from fumehood.worker import on

    on("ping", priority=1)(lambda: "not yet")


wait()


def attack():
    os.close(grip()["Link"]._fd)
