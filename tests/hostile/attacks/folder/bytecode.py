"""Bytecode beside a source, which says something else than the source."""

FULL = "live", "snapshot reader"

TEXT = "from . import part\nassert part.WORDS == 'of the source'\ndef on_attack(): return part.WORDS\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(TEXT)

    import importlib.util
    import marshal

    code = marshal.dumps(compile("WORDS = 'of the bytecode'", "x", "exec"))
    header = importlib.util.MAGIC_NUMBER + struct.pack("III", 1, 0, 0)
    os.mkdir(f"{root}/.evil/__pycache__")
    for path in ("part.pyc", f"__pycache__/part.{sys.implementation.cache_tag}.pyc"):
        with open(f"{root}/.evil/{path}", "wb") as file:
            file.write(header + code)
    with open(f"{root}/.evil/part.py", "w") as file:
        file.write("WORDS = 'of the source'")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert len(os.listdir(f"{root}/evil/__pycache__")) == 1
