"""`fumehood doctor --attack`, as a person runs it; and a machine on which a layer is missing."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fumehood.runner import attacked

FUMEHOOD = Path(sys.executable).parent / "fumehood"
CLONE_NEWUSER = 0x10000000


def doctor(*arguments, **options):
    return subprocess.run(
        [FUMEHOOD, "doctor", *arguments], capture_output=True, text=True, timeout=110, check=False, **options
    )


@pytest.mark.parametrize("mode", ["full", "reduced"])
def test_every_quick_attack_is_stopped_here_and_the_table_says_by_what(tmp_path, mode):
    done = doctor("--attack", "--confinement", mode, "--json", tmp_path / "report")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report").read_text())
    assert (report["held"], report["confinement"], report["uid"]) == (True, mode, os.geteuid())
    assert len(report["rows"]) >= 25
    assert {row["result"]["verdict"] for row in report["rows"]} <= {"stopped", "conceded"}
    assert report["frames"]["count"] > 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("processes/fork ")]
    assert line.split() == ["processes/fork", "stopped", "EPERM", "seccomp"]
    unproved = [f"not {row['attack']}: {row['proof']}" for row in report["rows"] if row["proof"] != attacked.PROVED]
    assert f"{len(report['rows']) - len(unproved)} of them were shown to succeed unconfined" in done.stdout
    assert set(unproved) <= set(done.stdout.splitlines())


@pytest.mark.parametrize("option", [["--every"], ["--confinement", "reduced"]])
def test_options_of_an_attack_need_one(option):
    done = doctor(*option)
    assert done.returncode == 2
    assert "fumehood doctor --attack" in done.stderr


def no_user_namespaces():
    """In the child, before its exec: no more of them can be made below, as on hosts that forbid them."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def test_without_user_namespaces_the_full_mode_says_what_to_do_and_the_reduced_one_holds():
    """`user.max_user_namespaces` = 0 in a namespace of its own, nested in the host's."""
    refused = doctor("--attack", preexec_fn=no_user_namespaces)
    assert refused.returncode == 69, refused.stdout + refused.stderr
    assert "user namespace" in refused.stderr
    assert "max_user_namespaces" in refused.stderr
    assert "reduced" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 3, "one message"
    held = doctor("--attack", "--confinement", "reduced", "--json", preexec_fn=no_user_namespaces)
    assert held.returncode == 0, held.stdout + held.stderr
    assert json.loads(held.stdout)["held"]
