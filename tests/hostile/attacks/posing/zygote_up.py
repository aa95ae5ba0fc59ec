"""Says that it is the zygote and that every layer is on."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="ZygoteUp", layers={"seccomp": "on"}, unimportable={}, address_space=0)
