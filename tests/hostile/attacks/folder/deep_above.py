"""A mod below two hundred folders that are none."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    os.makedirs(f"{root}/evil_folder" + "/d" * 200)
    with open(f"{root}/evil_folder" + "/d" * 200 + "/evil.py", "w") as file:
        file.write("def on_attack(): return 1")


def attack(root):
    assert any("evil.py" in files for _, _, files in os.walk(root))
