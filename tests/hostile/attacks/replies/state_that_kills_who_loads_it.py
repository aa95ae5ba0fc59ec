"""Leaves a state that ends whoever opens it, then dies, so that its successor does."""

FULL = "Exited", "total decoding"
JUDGED = "game"


class Ends:
    def __reduce__(self):
        return os._exit, (3,)


frames = []


def frame(n):
    from fumehood.worker import state

    state["ends"] = Ends()
    frames.append(n)
    if len(frames) == 100:  # by then it was asked for its state
        os._exit(4)


def wait():
    from fumehood.worker import on

    on("frame")(frame)
    on("ping", priority=1)(lambda: "not yet")


wait()


def attack():
    import pickle

    if not confined():
        assert b"_exit" in pickle.dumps(Ends())
