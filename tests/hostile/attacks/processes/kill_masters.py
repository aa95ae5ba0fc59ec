"""Asks whether it could kill the game, the supervisor or the zygote."""

FULL = "EPERM", "seccomp"


def attack():
    return [os.kill(HOST[who], 0) for who in ("game", "supervisor", "zygote")]
