"""Maps memory that the kernel fills at once, within its address space and beyond what it may have resident."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"resident": 16777216}


def attack():
    mmap(64 << 20, 3, 0x8022)
    burn(0.6)
