"""The bench of the contract, small: every part runs and measures, and no figure is judged."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "stress" / "bench_contract.py"


def test_every_part_is_measured_and_json_alone_owns_stdout() -> None:
    command = [sys.executable, str(BENCH), "--json", "--seconds", "1", "--mods", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    document = json.loads(done.stdout)
    assert len(document["goals"]) >= 5
    assert all(type(goal["met"]) is bool for goal in document["goals"])
    for spreads in (
        *document["queries_us"].values(),
        document["views"]["game_us"],
        document["vetoes"]["wait_us"],
        document["filters"]["emit_us"],
        document["intents_us"],
        document["slots_ms"],
    ):
        assert all(spread["count"] > 0 and spread["p50"] > 0 for spread in spreads.values()), spreads
