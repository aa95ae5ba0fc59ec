"""Reduced mode: a worker's scratch is a folder on the host's disk, which no kernel limit bounds as a whole. So look."""

import os
from typing import Final

from ..shared.policy import Limits

PERIOD: Final = 1.0
"""Seconds between two looks. Longer: a worker writes more before it is caught; shorter: more reading of its folders."""
_BLOCK: Final = 512  # st_blocks counts in these, whatever the file system's own block is


def excess(folder: str, limits: Limits) -> str:
    """Why the folder is over its limits, or "" when it is not, or is gone. In the supervisor, of a hostile tree.

    Follows no link, stops at the first excess, and takes a tree that cannot be walked (a path too long) for one. Files
    that are deleted but still open are not seen: their number and size are bounded by `files` and `file_size`.
    """
    size = count = 0
    folders = [folder]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    count += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if count > limits.scratch_inodes:
                        return f"its scratch holds more than {limits.scratch_inodes} files and folders"
                    if size > limits.scratch_bytes:
                        return f"its scratch holds more than {limits.scratch_bytes} bytes"
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    except FileNotFoundError:
        return ""  # it was being changed, or cleared away: the next look counts
    except OSError as error:
        return f"its scratch cannot be measured: {error.strerror}"
    return ""
