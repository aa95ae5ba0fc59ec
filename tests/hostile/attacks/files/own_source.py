"""Puts a link to a file of the host's in the place of its own source, and fails, for whoever shows the line."""

FULL = "answers", "bounded looks"
JUDGED = "game"


def on_frame(n):
    raise RuntimeError("look at my line")


def attack():
    with open("naive.py", "w") as file:
        file.write("x")
    place = "naive.py" if __name__ == "__main__" else __file__
    os.unlink(place)
    os.symlink(HOST["secret"], place)
    with open(place) as file:
        return file.read()
