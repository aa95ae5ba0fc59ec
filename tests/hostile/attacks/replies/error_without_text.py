"""Fails with a kind and a message that are no UTF-8, in its own words."""

FULL = "answers", "total decoding"
JUDGED = "game"


def attack():
    if confined():
        return grip()["Serving"].port.push(b"\x95\x02\0\xa2\xff\xfe\xa2\xc3\x28\xa0")
    return falls(b"\xff\xfe".decode, UnicodeDecodeError)
