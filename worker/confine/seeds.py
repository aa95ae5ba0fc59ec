"""What Python knows and forks of one zygote must not share: randomness, and where temporary files go.

OpenSSL reseeds itself when its pid differs from the zygote's (it does: the zygote is never pid 1), uuid4 and secrets
ask the kernel each time, and `start.drop_lock_hooks` keeps random's own hook away. What is left is here. The hash
secret, the stack canary and the address layout are shared by all forks of a zygote; SECURITY.md lists that.
"""

import os
import random
import sys
import tempfile


def renew(scratch: str) -> None:
    """In a worker: fresh seeds for random, tempfile's names and numpy's legacy generator, if numpy is loaded.

    Temporary files go to the scratch, which is its home too: there is no /tmp.
    """
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = scratch
    random.seed()
    tempfile._name_sequence = None  # type: ignore[attr-defined]  # it would hand every worker the same names
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
