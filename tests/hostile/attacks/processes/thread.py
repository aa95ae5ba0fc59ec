"""Starts a thread, which would go on when the handler is over, on the core of the game."""

FULL = "RuntimeError", "seccomp"


def attack():
    import threading

    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    return thread
