"""fumehood: run the mods nobody vetted inside a live game, and reload them while it keeps its frame rate.

The law of the house: ``runner → shared ← worker``.

- ``fumehood.runner`` is the trusted side: the game's client and the supervisor process. It never imports ``worker``,
  and never executes or unpickles anything a mod made.
- ``fumehood.worker`` is what runs inside the confined processes, and what a mod's author imports. It never imports
  ``runner``.
- ``fumehood.shared`` is what crosses the boundary: shared memory, messages, errors, policy. It imports neither.

This module imports nothing, so that a worker pays for nothing it does not use.
"""

__version__ = "0.1.0"
