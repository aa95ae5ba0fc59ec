"""The village of ``fumehood demo``: eight sample mods under ``mods/``, and in `edits` what the demo does to its copy.

They are data to whoever finds them here: nothing imports them outside a worker. To have a look at the files::

    python -c "import fumehood.examples as e; print(e.__path__[0])"

Beside them lie two games, to be started as scripts: ``meadow/game.py`` and ``tavern/server.py``.
"""
