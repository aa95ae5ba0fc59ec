"""Exit codes of our processes. A supervisor reads a worker's; a person or a script reads the supervisor's."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit status of a process of ours. 64 to 78 keep the meaning sysexits.h gives them."""

    OK = 0
    """It was asked to end and did."""
    FAILED = 1
    """The thing asked for was done and the answer is no: a demo that saw a wrong outcome, a storm with differences."""
    USAGE = 2
    """The command line was wrong."""
    UNAVAILABLE = 69
    """The machine lacks something the policy asks for; the message says what and how to get it."""
    INTERNAL = 70
    """A fault of ours: please report it."""
    LOST_ZYGOTE = 71
    """The zygote died, so no worker is left: the supervisor ended too."""
    BUSY = 75
    """Another supervisor already serves this folder."""
    CONFIG = 78
    """The folder, a setting or the configuration file is wrong; the message names it."""

    WORKER_PEER_LOST = 80
    """A worker's command socket closed: the supervisor is gone."""
    WORKER_MEMORY = 81
    """A worker reached its address-space limit outside any handler's own except clause."""
    WORKER_PROTOCOL = 82
    """A worker was sent something it cannot read. A fault of ours."""
    WORKER_CONFINE = 83
    """A worker could not confine itself and ended before any mod code ran."""
    WORKER_RETIRED = 84
    """A worker ended because it was told to."""
    WORKER_FILES = 85
    """A worker's mod holds every descriptor that it may have, and what it was handed next found no room."""
