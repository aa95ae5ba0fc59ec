"""Learns about another process by its number: its group, its session, its priority, its cores."""

FULL = "ESRCH", "pid namespace"
REDUCED = "got it", "process numbers can be read, and how each process is scheduled"


def attack():
    who = HOST["victim"]
    return os.getpgid(who), os.getsid(who), os.getpriority(os.PRIO_PROCESS, who), os.sched_getaffinity(who)
