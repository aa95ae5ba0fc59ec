"""A mod that is a pipe, which holds its reader until somebody writes."""

FULL = "NotRegular", "snapshot reader"
QUICK = True


def plant(root):
    os.mkfifo(f"{root}/evil.py")


def attack(root):
    import signal

    signal.alarm(1)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError))
    return falls(lambda: open(f"{root}/evil.py"), TimeoutError)
