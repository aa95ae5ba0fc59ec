"""Files that Python or a tool would run or obey of itself: sitecustomize, .pth, conftest, pyvenv.cfg."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    for name in ("sitecustomize.py.txt", "evil.pth", "pyvenv.cfg", "python311._pth", ".env", "pytest.ini"):
        with open(f"{root}/{name}", "w") as file:
            file.write("import os; os._exit(7)\nhome = /nowhere\n")


def attack(root):
    import site

    assert site.addsitedir and os.path.isfile(f"{root}/evil.pth")
