"""The doctor on this machine, and on one that lacks something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fumehood.runner import doctor
from fumehood.shared.errors import ConfigError, MachineError
from fumehood.shared.exits import Exit
from fumehood.shared.policy import Confinement


@pytest.fixture(scope="module")
def report():
    """What this machine gives: the tests need both modes."""
    return doctor.collect()


def run(command):
    """Run a command; its output and exit code."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def descriptors():
    """How many this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def without(report, name):
    """The same machine without one layer."""
    missing = {"given": False, "detail": "refused [here]", "remedy": "Do this."}
    layers = [msgspec.structs.replace(layer, **missing) if layer.name == name else layer for layer in report.layers]
    return doctor.judge(layers, report)


def test_both_modes_work_where_these_tests_run(report):
    assert [layer.name for layer in report.layers if not layer.given] == []
    assert report.full
    assert report.reduced


def test_every_layer_says_what_it_stops_and_which_mode_needs_it(report):
    assert len(report.layers) >= 12
    for layer in report.layers:
        assert layer.stops
        assert Confinement.FULL in layer.needed_by
    assert {layer.name for layer in report.layers if Confinement.REDUCED in layer.needed_by} == {
        "unprivileged user", "Landlock", "seccomp", "rlimits", "capabilities",
    }  # fmt: skip


def test_a_missing_namespace_leaves_the_reduced_mode_and_names_the_remedy(report, capsys):
    worse = without(report, "user namespace")
    assert (worse.full, worse.reduced) == (False, True)
    assert doctor.show(worse) == Exit.UNAVAILABLE
    text = " ".join(capsys.readouterr().out.split())
    assert "user namespace: refused [here]. Do this." in text
    assert "Full confinement (the default): does not work here" in text


def test_a_missing_seccomp_leaves_no_mode(report, capsys):
    worse = without(report, "seccomp")
    assert (worse.full, worse.reduced) == (False, False)
    assert doctor.show(worse) == Exit.UNAVAILABLE
    assert "refuses to start them" in " ".join(capsys.readouterr().out.split())


def test_one_cause_that_takes_many_layers_away_is_told_once(report, capsys):
    worse = without(without(report, "net namespace"), "uts namespace")
    assert doctor.show(worse) == Exit.UNAVAILABLE
    assert "\nnet namespace, uts namespace: refused [here]. Do this.\n" in capsys.readouterr().out


def test_json_alone_is_one_document_on_stdout(report, capsys):
    assert doctor.show(report, json="-") == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["full"] is True
    assert {"kernel", "machine", "python", "uid", "sysctls", "cgroup", "layers"} <= set(document)


def test_json_into_a_file_leaves_the_table_on_stdout(report, capsys, tmp_path):
    assert doctor.show(report, json=str(tmp_path / "report.json")) == Exit.OK
    assert json.loads((tmp_path / "report.json").read_text())["reduced"] is True
    assert "what it stops" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="cannot be written"):
        doctor.show(report, json=str(tmp_path / "no" / "folder"))


def test_the_command_itself():
    done = run([sys.executable, "-m", "fumehood.runner.cli", "doctor", "--json"])
    assert done.returncode == Exit.OK, done.stderr
    assert json.loads(done.stdout)["full"] is True


def test_an_interpreter_that_cannot_run_is_an_error_of_the_machines():
    before = descriptors()
    with pytest.raises(MachineError, match="cannot be run"):
        doctor.collect("/no/such/python")
    assert descriptors() == before


def test_where_user_namespaces_are_forbidden_the_probe_really_says_so():
    program = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" -m fumehood.runner.cli doctor --json'
    done = run(["unshare", "--user", "--map-root-user", "sh", "-c", program, sys.executable])
    if not done.stdout:
        pytest.skip(f"unshare(1) does not work here: {done.stderr}")
    assert done.returncode == Exit.UNAVAILABLE
    document = json.loads(done.stdout)
    assert (document["full"], document["reduced"]) == (False, True)
    missing = {layer["name"]: layer for layer in document["layers"] if not layer["given"]}
    assert "user namespace" in missing
    assert "max_user_namespaces" in missing["user namespace"]["remedy"]


def test_the_verdict_comes_first_and_no_row_is_wrapped_at_80_columns(report):
    done = subprocess.run(
        [sys.executable, "-m", "fumehood.runner.cli", "doctor"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip - one call
    lines = done.stdout.splitlines()
    assert lines[0] == "Full confinement (the default): works here"
    (header,) = [at for at, line in enumerate(lines) if line.startswith("layer ")]
    table = lines[header + 1 :]
    assert [line.split("  ")[0] for line in table[: len(report.layers)]] == [layer.name for layer in report.layers]


def test_a_reader_who_has_gone_leaves_it_its_exit_code(tmp_path):
    doctor = f"{sys.executable} -m fumehood.runner.cli doctor"
    done = run(["bash", "-c", f"{doctor} | true; exit ${{PIPESTATUS[0]}}"])
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    done = run(["bash", "-c", f"{doctor} --json | true; exit ${{PIPESTATUS[0]}}"])
    assert (done.returncode, done.stderr) == (Exit.OK, "")
