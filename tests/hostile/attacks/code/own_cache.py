"""Leaves a module and its .pyc in its folder, for the next version of itself to import."""

FULL = "ModuleNotFoundError", "a scratch of its own"


def attack():
    import py_compile

    here = os.getcwd()
    sys.path.insert(0, here)
    with open("left_behind.py", "w") as file:
        file.write("said = 'forged'")
    py_compile.compile("left_behind.py")


def after():
    import left_behind

    return left_behind.said
