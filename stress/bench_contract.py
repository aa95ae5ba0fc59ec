"""What the contract between a game and its mods costs: queries, views, vetoes, filters, intents, save slots, helpers.

    python stress/bench_contract.py
    python stress/bench_contract.py --json             # one document on stdout
    python stress/bench_contract.py --seconds 5        # rougher, for a quick look
    python stress/bench_contract.py --only queries     # one part

Each figure stands beside its peer, measured in the same run: a query beside a call, a publication beside a memcpy, an
event that one mod wants beside one that all hear. Nothing here fails on a figure: goals are printed as met or missed.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import contract_crowds
import contract_intents
import contract_queries
import contract_slots
import contract_views
import report
from fumehood.runner import FumehoodError
from report import Report

Part = Callable[[Report, Path, float, int], None]
PARTS: Final[dict[str, tuple[float, Part]]] = {
    "queries": (0.3, contract_queries.add),
    "views": (0.15, contract_views.add),
    "vetoes": (0.25, contract_crowds.add_vetoes),
    "filters": (0.1, contract_crowds.add_filters),
    "intents": (0.1, contract_intents.add),
    "slots": (0.1, contract_slots.add),
}
"""The share of the time that each part gets, and what measures and tells it."""


def main() -> int:
    """Measure, print, and write what `--json` asks for."""
    options = report.parser(__doc__ or "")
    options.add_argument(
        "--seconds", type=float, default=30.0, help="time to measure, beside what starts (default: %(default)g)"
    )
    options.add_argument(
        "--mods", type=int, default=100, help="how many read a view; twice as many hear an event (default: %(default)d)"
    )
    options.add_argument("--only", choices=list(PARTS), help="one part, in all of the time")
    arguments = options.parse_args()
    if arguments.seconds <= 0:
        options.error("--seconds has to be more than 0")
    if arguments.mods < 1:
        options.error("--mods has to be 1 or more")
    busy = report.busy()
    made = Report("fumehood: what the contract costs", {})
    chosen = {arguments.only: (1.0, PARTS[arguments.only][1])} if arguments.only else PARTS
    try:
        for name, (share, add) in chosen.items():
            with tempfile.TemporaryDirectory(prefix=f"fumehood-bench-{name}-") as folder:
                add(made, Path(folder), arguments.seconds * share, arguments.mods)
    except FumehoodError as error:
        print(f"bench_contract: {error}", file=sys.stderr)
        return 1
    made.machine = report.machine(busy, report.busy())
    report.emit(made.document(), arguments.json, made.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
