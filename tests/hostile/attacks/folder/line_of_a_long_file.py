"""A mod that fails over and over in a line of a file of millions of lines, which whoever quotes it looks for."""

FULL = "live", "a price on each message"

TEXT = """
import os, signal
from fumehood.shared.messages import pack
words = dict(stage="run", kind="QueueFull", message="x", file="evil/long.txt", line=1)
packet = pack(dict(type="Fault", event="frame", count=1, diagnostic=words))

def again(*_):
    try:
        for _ in range(8):
            os.write(3, packet)
    except OSError:
        return

def on_load():
    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.02)

def on_attack():
    return "live"
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    for name, text in ("__init__.py", TEXT), ("long.txt", "\n" * (7 << 20)):
        with open(f"{root}/.evil/{name}", "w") as file:
            file.write(text)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import time

    began = time.monotonic()
    with open(f"{root}/evil/long.txt", "rb") as file:
        file.read().splitlines()[:1]
    if time.monotonic() - began < 0.02:
        raise AssertionError("it takes no time")
