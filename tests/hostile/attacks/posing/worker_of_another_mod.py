"""Says that it is another mod: in its module's name, its version's number and its epoch."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    import types

    sys.modules["mods.neighbour"] = types.ModuleType("mods.neighbour")
    for name, thing in grip().items() if confined() else ():
        if name == "Mod":
            del thing
    if confined():
        tell(type="LogLine", level=50, text="neighbour@1: ended by the supervisor")
        tell(type="Live", at=1, restore_us=0.0, on_load_us=0.0, mod="neighbour", epoch=1, version=99)
