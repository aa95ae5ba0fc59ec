"""A mod that is a socket."""

FULL = "NotRegular", "snapshot reader"


def plant(root):
    import socket

    os.chdir(root)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("evil.py")


def attack(root):
    return falls(lambda: open(f"{root}/evil.py"), OSError)
