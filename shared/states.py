"""The roles of a worker and the verdicts on a snapshot, as plain names that both sides, the logs and the docs use."""

from enum import StrEnum


class Role(StrEnum):
    """What a worker is to its mod. `lifecycle.TRANSITIONS` is the table of how it gets from one to the next."""

    SPARE = "spare"
    """Confined, unassigned, warm: no mod code has run in it."""
    CANDIDATE = "candidate"
    """Compiling, importing, testing itself, rehearsing the state. Has no say yet."""
    OFFERED = "offered"
    """Its epoch stands on the switchboard; the game has not looked yet."""
    ACTIVE = "active"
    """The game has adopted its epoch."""
    DRAINING = "draining"
    """Finishing what the game posted before it moved on, then handing its state over."""
    STANDBY = "standby"
    """The last good worker, parked: the rollback target."""
    RETIRED = "retired"
    """To be killed and reaped; its slot is not free before that."""


class Stage(StrEnum):
    """Where in its life a candidate was when something happened: the stages of a receipt and of a diagnostic."""

    SNAPSHOT = "snapshot"
    CONFINE = "confine"
    COMPILE = "compile"
    IMPORT = "import"
    BIND = "bind"
    SELFTEST = "selftest"
    REHEARSE = "rehearse"
    """Restoring (and migrating) a copy of the state, before activation."""
    RESTORE = "restore"
    """Restoring the real state, after activation."""
    ON_LOAD = "on_load"
    RUN = "run"
    """Live: a handler was running."""
    DRAIN = "drain"
    """Finishing what it was sent before the game went on, on_unload, handing the state over."""


class Verdict(StrEnum):
    """How one reload ended."""

    LIVE = "live"
    REFUSED = "refused"
    """The candidate failed; the active worker was never touched."""
    ROLLED_BACK = "rolled back"
    """It went live, then failed; the standby took over."""
    UNLOADED = "unloaded"
    """The mod's files are gone."""
    SUPERSEDED = "superseded"
    """A newer save came first."""
    DOWN = "down"
    """It failed and there was nothing to roll back to."""
