"""Starts a hundred threads."""

FULL = "RuntimeError", "seccomp"
QUICK = True


def attack():
    import threading

    threads = [threading.Thread(target=int) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
