"""Learns how another process is scheduled: its priority, its policy, its cores."""

FULL = "ESRCH", "pid namespace"
REDUCED = "got it", "process numbers can be read, and how each process is scheduled"


def attack():
    who = HOST["victim"]
    return os.getpriority(os.PRIO_PROCESS, who), os.sched_getscheduler(who), os.sched_getaffinity(who)
