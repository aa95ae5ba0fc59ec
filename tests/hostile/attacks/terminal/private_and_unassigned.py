"""Uses characters that some terminal's font has a surprise for."""

FULL = "answers", "escaped text"
JUDGED = "game"

ODD = "".join(map(chr, (0xE000, 0xF8FF, 0x0378, 0xFFFE, 0x10FFFF, 0xFFF9, 0xFFFC, 0x1D173, 0x206A, 0x2064)))


def fail():
    raise ValueError(ODD)


answer(fail)


def attack():
    print(ODD)
