"""The README is run: each snippet and each command in it, in the order in which a reader meets them."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    """(name after the language, text) of every block in that language."""
    return [(match[2], match[3]) for match in FENCE.finditer(README) if match[1] == language]


def commands():
    return [line for _, text in blocks("sh") for line in text.splitlines() if line]


SETUP = [line for line in commands() if line.startswith("python3 -m venv ")]


@pytest.fixture
def place(tmp_path):
    """A folder with every named block as the file of its name."""
    for language in ("python", "toml"):
        for name, text in blocks(language):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return tmp_path


def run(argv, place, **options):
    return subprocess.run(argv, cwd=place, capture_output=True, text=True, timeout=60, check=False, **options)


def argv_of(command):
    """The command with the `fumehood` of the interpreter that runs this test."""
    words = shlex.split(command)
    assert words[0] == "fumehood", f"a command nobody runs: {command}"
    return [sys.executable, "-W", "error", "-m", "fumehood.runner.cli", *words[1:]]


def await_line(stream, word):
    """Read lines until one holds the word: the first verdicts are said before it."""
    for line in stream:
        if word in line:
            return
    raise AssertionError(f"it ended without saying {word!r}")


def test_two_commands_set_everything_up_and_stand_on_top():
    assert len(SETUP) == 2
    for line in SETUP:
        assert README.index(line) < README.index("## ")
        folder = line.split()[3]
        assert f"{folder}/bin/pip install -q" in line
    # CI runs these very lines: it takes them out of the README by what they begin with, as here.
    ci = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    assert "grep '^python3 -m venv ' README.md" in ci
    assert 'bash -c "${readme[0]}"' in ci
    assert "install=${readme[1]% && *}" in ci
    assert "pytest=${readme[1]##* && }" in ci
    for half in ('bash -c "$install"', 'bash -c "$pytest ${first[*]}"'):
        assert half in ci


def test_the_game_and_its_mod_run_as_they_stand(place):
    done = run([sys.executable, "-W", "error", "game.py"], place)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "weather rain {'strength': 0.7}" in lines
    assert lines[-1] == "rain on monday"
    for name in ("economy", "garden", "shop", "weather"):
        assert f"{name}@1 live (startup); handles " in done.stderr
    assert "refused" not in done.stderr


def test_the_calls_end_as_it_says(place):
    done = run([sys.executable, "-W", "error", "calls.py"], place)
    assert (done.returncode, done.stderr) == (0, "")
    mods, price, outcome = done.stdout.splitlines()
    assert mods == "garden ['tick'], economy ['price'], shop ['offer'], weather ['forecast', 'tick']"
    assert price == "3.3"
    assert outcome.startswith("shop.ofer raised NoHandler: there is no handler of 'ofer'; did you mean 'offer'?")


def test_a_declared_game_runs_as_it_says(place):
    done = run([sys.executable, "-W", "error", "farm.py"], place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["1 [('cloud', 0.7)]", "cloud wolves stay outside"]


def test_a_game_is_played_again_as_it_says(place):
    (place / "mods" / "lucky.py").write_text(
        "import random, time\nfrom fumehood.worker import game\n"
        "def on_tick(dt): game.drew(number=random.random(), at=time.time())\n"
    )
    plays = [run([sys.executable, "-W", "error", "again.py"], place) for _ in range(2)]
    assert [(done.returncode, done.stderr) for done in plays] == [(0, "")] * 2
    assert plays[0].stdout == plays[1].stdout
    assert plays[0].stdout.count("drew") == 3


def test_a_server_awaits_its_mods_as_it_says(place):
    done = run([sys.executable, "-W", "error", "server.py"], place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3.3 rain on monday []", "ModError"]


def test_views_are_read_as_it_says(place):
    done = run([sys.executable, "-W", "error", "herd.py"], place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str({"wolf": [step * 1.5]}) for step in (1, 2, 3)]


def test_a_save_is_made_and_loaded_as_it_says(place):
    done = run([sys.executable, "-W", "error", "slots.py"], place)
    assert done.returncode == 0, done.stderr
    saved, loaded = done.stdout.splitlines()
    assert saved == "['economy', 'garden', 'shop', 'weather'] all of this point"
    assert loaded == "['economy', 'garden', 'shop', 'weather'] {} {} {} {}"


def test_a_function_is_provided_as_it_says(place):
    (place / "mods" / "walker.py").write_text(
        "from fumehood.worker import helpers\ndef on_far(a, b): return helpers.path_cost(a, b)\n"
    )
    helping = place / "helping.py"
    helping.write_text(helping.read_text() + '    print(mods["walker"].call("far", 2, 5))\n')
    done = run([sys.executable, "-W", "error", "helping.py"], place)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


def test_a_mod_is_checked_with_the_stub_as_it_says(place):
    def mypy():
        return run([sys.executable, "-m", "mypy", "mods/weather.py"], place)

    assert run(argv_of("fumehood stubs barn:api"), place).returncode == 0
    assert '"""Let it rain, from 0 to 1."""' in (place / "typings/fumehood/worker/__init__.pyi").read_text()
    assert mypy().returncode == 0, mypy().stdout
    weather = place / "mods" / "weather.py"
    weather.write_text(weather.read_text().replace("strength=0.7", 'strength="wet"'))
    assert 'Argument "strength" to "rain" of "_Game" has incompatible type "str"; expected "float"' in mypy().stdout


@pytest.mark.parametrize("options", [(), ("-o", "fumehood_api=barn:api")])
def test_a_mod_is_tested_as_it_says(place, options):
    test = place / "test_weather.py"
    if options:
        test.write_text(test.read_text().replace('    fumehood.answers(tile="grass")', "    #"))
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options], place)
    assert "1 passed" in done.stdout, done.stdout


def test_the_refusal_is_shown_as_it_says(place):
    shown = next(match[1] for match in re.finditer(r"^```\n(WARNING.*?)^```$", README, re.MULTILINE | re.DOTALL))
    (place / "break.py").write_text(BREAK)
    done = run([sys.executable, "-W", "error", "break.py"], place)
    assert f"Z {shown}" in done.stderr


BREAK = """
import pathlib
from fumehood.runner import launch

with launch("mods/") as mods:
    shop = pathlib.Path("mods/shop.py")
    shop.write_text(shop.read_text().replace("pieces * TAX", "(pieces * TAX"))
    mods.wait("shop", verdict="refused")
"""


def test_the_table_names_what_mods_have():
    from fumehood.runner import Mod, Mods, ModStatus, Outcome, Receipt

    for name in re.findall(r"`mods\.(\w+)\(", README):
        assert hasattr(Mods, name), name
    for name in re.findall(r"`mods\[name\]\.(\w+)", README):
        assert hasattr(Mod, name), name
    for kind, names in ((Outcome, "ok value error version epoch seconds"), (ModStatus, "version role down diagnostic"),
                        (Receipt, "verdict cause diagnostic")):  # fmt: skip
        assert all(hasattr(kind, name) for name in names.split())


def test_the_other_commands_run_and_a_game_attaches(place):
    quick = [line for line in commands() if line not in SETUP and line != SERVE]
    assert quick
    for line in quick:
        done = run(argv_of(line), place)
        assert done.returncode in (0, 69), done.stderr  # 69: `doctor` says that this machine has reduced mode only
        if "--json" in line or "--show-config" in line:
            json.loads(done.stdout)
    assert SERVE in commands()
    served = subprocess.Popen(argv_of(SERVE), cwd=place, stderr=subprocess.PIPE, text=True)
    with served:
        try:
            await_line(served.stderr, "serving")
            done = run([sys.executable, "-W", "error", "attach.py"], place)
            assert done.stdout == "rain on tuesday\n", done.stderr
        finally:
            served.send_signal(signal.SIGINT)
            served.communicate(timeout=60)
    assert served.returncode == 0


SERVE = "fumehood run mods --log-format json"


def test_the_settings_file_is_what_show_config_shows(place):
    done = run(argv_of("fumehood run --show-config --limit memory=32MiB"), place)
    config = json.loads(done.stdout)
    assert config["root"] == str(place / "mods")
    assert (config["limits"]["memory"], config["limits"]["hang_after"]) == (32 * 2**20, 0.5)


def test_every_block_is_one_that_runs():
    assert {match[1] for match in FENCE.finditer(README)} == {"sh", "python", "toml"}
    assert all(name for language in ("python", "toml") for name, _ in blocks(language))


def test_what_it_points_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)|`([A-Z]+\.md)`", README):
        assert (CHECKOUT / (target[0] or target[1])).is_file(), target


def test_the_limits_in_its_table_are_the_defaults():
    from fumehood.shared.policy import Limits

    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) ?(MiB|KiB)?", README, re.MULTILINE)
    assert len(rows) > 5
    for name, number, unit in rows:
        assert float(number) * {"": 1, "KiB": 2**10, "MiB": 2**20}[unit] == getattr(Limits(), name), name
