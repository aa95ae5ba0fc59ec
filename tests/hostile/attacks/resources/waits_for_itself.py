"""Waits for a lock that it holds."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    import threading

    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=1.5)
