"""Where a supervisor's log goes, and how often it reloads."""

import json
import os

import pytest
from fumehood.runner import UsageError, launch


def test_the_log_goes_where_it_is_told_and_is_whole_when_asked(root, tmp_path):
    root.save("talker.py", "def on_say(count):\n    for number in range(count): print('line', number)\n")
    log = tmp_path / "log"
    with log.open("wb") as sink:
        mods = launch(root.root, log_format="json", log_to=sink.fileno())
        os.fstat(sink.fileno())  # it stays ours
    with mods:
        for time in range(1, 4):
            mods["talker"].call("say", 50, timeout=10.0)
            mods._link.flush_log()
            lines = [json.loads(line)["message"] for line in log.read_text().splitlines()]
            assert lines.count("talker@1: line 49") == time
        mods["talker"].post("say", 1)


def test_saves_in_a_row_go_live_at_once_where_that_is_asked_for(root):
    root.save("it.py", "V = 0")
    with launch(root.root, log_level="error", reload_interval=0.0) as mods:
        for version in range(2, 8):
            root.save("it.py", f"V = {version}")
            mods.wait("it", version=version)
        (receipt,) = [each for each in mods.receipts() if each.version == 7]
        assert receipt.verdict == "live"


def test_an_interval_that_is_none_is_refused(root):
    with pytest.raises(UsageError, match="reload_interval"):
        launch(root.root, reload_interval=float("nan"))
