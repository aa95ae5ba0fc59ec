"""Never reads what the supervisor says, so that the descriptors that come with it use up what one user may have."""

FULL = "LimitExceeded", "patrol"
ALONE = "the socket is its own, to read or not: what is attacked is who cannot be sent a descriptor any more"
JUDGED = "game"
LIMITS = {"hang_after": 0.1, "query_timeout": 0.05}
SECONDS = 5.0


def attack():
    from fumehood.worker.link import Link

    receive = Link.receive
    Link.receive = lambda self, *, wait, fresh=False: receive(self, wait=wait, fresh=fresh) if wait else None
