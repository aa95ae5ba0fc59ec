"""Says that it went live, before time began and in a hundred years."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    for at in (-(2**63), 0, 2**63 - 1):
        tell(type="Live", at=at, restore_us=1e308, on_load_us=-1e308)
