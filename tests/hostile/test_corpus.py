"""The hostile corpus: each attack proves itself, then is run as a mod in both modes and judged from both ends."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fumehood.runner import corpus, proof, trial
from fumehood.runner.corpus import GOT, Attack
from fumehood.runner.targets import Targets
from fumehood.shared.errors import ConfigError
from fumehood.shared.policy import MIB, Confinement

ATTACKS = corpus.read()
BY_NAME = {attack.name: attack for attack in ATTACKS}
CHECKOUT = Path(__file__).parent.parent.parent
SECURITY = CHECKOUT / "SECURITY.md"

BEAT = 1 / 240
"""Seconds from frame to frame: four times as many as a game's, since most of a trial is waiting for some."""

every = pytest.mark.parametrize("name", BY_NAME)


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with Targets() as made:
        yield made


@pytest.fixture(scope="module", params=list(Confinement))
def arena(request) -> Iterator[tuple[trial.Trial, Confinement]]:
    with trial.trial(request.param, beat=BEAT) as made:
        yield made, request.param


@every
def test_it_succeeds_unconfined_or_says_why_it_cannot(targets, name):
    host = targets.described() | {"game": os.getpid(), "supervisor": os.getpid(), "zygote": os.getpid()}
    found = proof.prove(BY_NAME[name], corpus.kit(), host, root=os.geteuid() == 0)
    targets.renew()
    assert found.given, found.why


@every
def test_it_is_stopped_by_what_must_stop_it_and_nobody_notices(arena, name):
    it, mode = arena
    result = it.run(BY_NAME[name], mode, linger=True)
    assert result.verdict in ("stopped", "conceded"), result


def test_a_mod_that_comes_after_them_all_fares_as_if_there_had_been_none(arena):
    it, _ = arena
    assert it.sound()


def test_the_supervisor_holds_no_more_after_them_than_before(arena):
    """Descriptors and memory: the same attacks twice, once for what is kept of a mod's name for good."""
    it, mode = arena
    quick = [attack for attack in ATTACKS if attack.quick][::2]
    for attack in quick:
        it.run(attack, mode, linger=True)
    descriptors, memory = it.footprint()
    for attack in quick:
        it.run(attack, mode, linger=True)
    # A spare that is just being made has some too.
    assert it.frames(trial.PATIENCE, lambda: it.footprint()[0] <= descriptors), (descriptors, it.footprint())
    _, grown = it.footprint()
    assert grown - memory < 2 * MIB, f"{len(quick)} attacks"


def test_what_is_conceded_stands_in_security_md():
    text = " ".join(SECURITY.read_text().split())
    for attack in ATTACKS:
        assert GOT not in attack.full.endings, f"{attack.name}: nothing is conceded in the full mode"
        if GOT in attack.reduced.endings:
            assert attack.reduced.layer in text, attack.name


def test_the_corpus_is_whole():
    """Of every category that can be attacked, and each script another attack."""
    assert len(ATTACKS) >= 150
    assert len({attack.text for attack in ATTACKS}) == len(ATTACKS)
    assert len({attack.wants for attack in ATTACKS}) == len(ATTACKS)
    categories = {attack.name.partition("/")[0] for attack in ATTACKS}
    assert categories >= {
        *("namespaces", "files", "network", "processes", "kernel", "code", "resources", "memory", "replies", "posing"),
        *("terminal", "folder"),
    }
    assert 25 <= sum(attack.quick for attack in ATTACKS) <= 60
    assert [each.name for each in corpus.read(CHECKOUT / "tests" / "hostile" / "attacks")] == list(BY_NAME)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def attack(", "line 1"),
        ('FULL = "EPERM", "seccomp"\ndef attack(): pass\n', "docstring"),
        ('"""Reads."""\ndef attack(): pass\n', "docstring, FULL"),
        ('"""Reads."""\nFULL = "EPERM", "seccomp"\n', "attack()"),
        ('"""Reads."""\nFULL = "EPERM"\ndef attack(): pass\n', "two texts"),
        ('"""Reads."""\nFULL = "EPERM", ""\ndef attack(): pass\n', "two texts"),
        ('"""Reads."""\nFULL = "EPERM", str()\ndef attack(): pass\n', "line 2: FULL is no literal"),
    ],
)
def test_a_script_that_says_too_little_is_refused(text, why):
    with pytest.raises(ConfigError, match=r"^attack a/b: .*") as caught:
        corpus.parse("a/b", text)
    assert why in str(caught.value)


def script(body: str, more: str = "") -> Attack:
    return corpus.parse("a/b", f'"""Wants."""\nFULL = "EPERM", "seccomp"\n{more}\ndef attack():\n    {body}\n')


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("raise PermissionError(errno.EPERM, 'no')", "stopped"),
        ("return 1", "ESCAPED"),
        ("raise OSError(errno.EIO, 'broken')", "OTHERWISE"),
        ("import nothing_of_that_name", "OTHERWISE"),
        ("undefined", "OTHERWISE"),
        ("os._exit(3)", "OTHERWISE"),
        ("while True: pass", "OTHERWISE"),
    ],
)
def test_only_the_ending_that_is_expected_counts(arena, body, verdict):
    it, mode = arena
    assert it.run(script(body), mode).verdict == verdict


def test_a_trace_on_the_host_is_noticed(arena):
    it, mode = arena
    planted = script("raise PermissionError(1, 0)", "SECONDS = 0.1").text
    planted += '\ndef plant(root): open(HOST["folder"] + "/left", "w")\n'
    result = it.run(corpus.parse("a/b", planted), mode)
    assert (result.verdict, result.noticed) == ("NOTICED", ["files were made or removed"])
    assert it.targets.noticed() == [], "and put right"


@pytest.mark.parametrize("said", ["\x1b[2J", "\r", "\u202e", "\u200b", "\u3164", "z" + "\u0301" * 9, "\x9b"])
def test_what_a_terminal_would_obey_is_noticed(arena, said):
    it, mode = arena
    with it.log.open("a") as log:
        log.write(f"2026-11-26T00:00:00.000Z INFO    fumehood.mods: {said}\n")
    assert "reached the log" in it.run(script("raise PermissionError(errno.EPERM, 'no')"), mode).noticed[0]


def test_a_line_that_is_not_the_logs_own_is_noticed(arena):
    it, mode = arena
    with it.log.open("a") as log:
        log.write("all is well\n")
    assert "not the log's own" in it.run(script("raise PermissionError(errno.EPERM, 'no')"), mode).noticed[0]


@pytest.mark.parametrize("body", ["undefined", "import nothing", "None.attack()"])
def test_a_game_judges_only_who_did_attack(arena, body):
    it, mode = arena
    attack = corpus.parse("a/b", script(body, 'JUDGED = "game"').text.replace('"EPERM"', '"answers"'))
    assert it.run(attack, mode).verdict == "OTHERWISE"


@pytest.mark.parametrize(
    ("body", "more", "why"),
    [
        ("return 1", "", ""),
        ("return 1", "ALONE = 'for a reason'", "for a reason"),
        ("raise OSError(errno.ENOSYS, '')", "LACKING = {'ENOSYS': 'the call'}", "not on this machine: the call"),
    ],
)
def test_a_proof_that_holds(targets, body, more, why):
    assert proof.prove(script(body, more), corpus.kit(), targets.described(), root=False) == (True, why)


@pytest.mark.parametrize("body", ["raise OSError(errno.ENOSYS, '')", "undefined", "os._exit(0)", "import nothing"])
def test_a_proof_that_does_not_hold(targets, body):
    assert not proof.prove(script(body), corpus.kit(), targets.described(), root=False).given
