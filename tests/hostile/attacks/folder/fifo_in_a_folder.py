"""A file in a mod's folder that is a pipe, with somebody who writes into it without end."""

FULL = "NotRegular", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)

    os.mkfifo(f"{root}/.evil/data")
    fd = os.open(f"{root}/.evil/data", os.O_RDWR)
    if os.fork() == 0:
        import signal

        os.closerange(0, 3)
        signal.alarm(2)
        while True:
            os.write(fd, b"x" * 4096)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    return len(os.read(os.open(f"{root}/evil/data", os.O_RDONLY), 4096))
