"""Settings: what is right is read, what is wrong is named, with the nearest right name."""

import contextlib

import pytest
from fumehood.runner import config, switchboard
from fumehood.runner.config import Config, LogFormat, LogLevel, Watcher
from fumehood.shared.errors import ConfigError
from fumehood.shared.policy import Confinement, Limits
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "fumehood.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_every_key_is_read_and_the_root_counts_from_the_file(write, tmp_path):
    file = write(
        'root = "mods"\nconfinement = "reduced"\nwatcher = "polling"\npackages = ["numpy", "a.b"]\n'
        'log-format = "json"\nlog_level = "debug"\n'
        '[limits]\nmemory = "64 MiB"\nhang-after = 2\nfiles = 32\nlog_lines = 0\n'
    )
    assert config.read(file) == Config(
        root=str(tmp_path / "mods"),
        confinement=Confinement.REDUCED,
        watcher=Watcher.POLLING,
        packages=("numpy", "a.b"),
        limits=Limits(memory=64 * 2**20, hang_after=2.0, files=32, log_lines=0),
        log_format=LogFormat.JSON,
        log_level=LogLevel.DEBUG,
    )


def test_the_most_mods_are_as_many_as_the_switchboard_has_lines():
    assert config.LINES == switchboard.MOST_MODS


def test_an_empty_file_is_the_defaults(write):
    assert config.read(write("")) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('wacher = "auto"', "wacher: there is no such setting; did you mean watcher?"),
        ('logformat = "json"', "logformat: there is no such setting; did you mean log_format?"),
        ('log-format = "json"\nlog_format = "json"', "log_format: is set twice, with a dash and with an underscore"),
        ("[limits]\nmemroy = 5", "limits.memroy: there is no such setting; did you mean limits.memory?"),
        ("[limits]\nHANG_AFTER = 5", "did you mean limits.hang_after?"),
        (
            "qqqq = 1",
            "known keys: confinement, deterministic, limits, log_format, log_level, most_mods, packages, root, watcher",
        ),
        ('watcher = "natve"', "watcher: expected one of auto, native, polling, not 'natve'"),
        ("watcher = 3", "watcher: expected one of auto, native, polling, not 3"),
        ('confinement = "none"', "confinement: expected one of full, reduced, not 'none'"),
        ('log_level = "loud"', "log_level: expected one of debug, info, warning, error, not 'loud'"),
        ("root = 3", "root: expected text, got int"),
        ("most_mods = 0", "most_mods: expected a number from 1 to 4096, not 0"),
        ("most_mods = 5000", "most_mods: expected a number from 1 to 4096, not 5000"),
        ("limits = 3", "limits: expected a table, `[limits]`, not 3"),
        ("limits = [1]", "limits: expected a table, `[limits]`, not a list"),
        ('packages = "numpy"', "packages: expected a list, such as [\"numpy\"], not 'numpy'"),
        ('packages = ["os; rm"]', "packages: 'os; rm' is not a name that `import` takes"),
        ('packages = [""]', "packages: '' is not a name that `import` takes"),
        ('[limits]\nfiles = "many"', "limits.files: expected a whole number, such as 64, not 'many'"),
        ("[limits]\nfiles = 1.5", "limits.files: expected a whole number, such as 64, not 1.5"),
        ("[limits]\nfiles = true", "limits.files: expected a whole number, such as 64, not True"),
        ('[limits]\nhang_after = "1s"', "limits.hang_after: expected seconds, such as 0.5, not '1s'"),
        ("[limits]\nmemory = 1", "limits.memory: expected at least 8 MiB, not 1: no mod loads with less"),
        ("[limits]\nfiles = 0", "limits.files: expected more than 0, not 0"),
        ("[limits]\nhang_after = -1.0", "limits.hang_after: expected more than 0, not -1.0"),
        ("[limits]\nhang_after = nan", "limits.hang_after: expected more than 0, not nan"),
        ("[limits]\nhang_after = inf", "limits.hang_after: expected more than 0, not inf"),
        ("[limits]\nmemory = 9223372036854775807", "limits.memory: 9223372036854775807 is more than any machine has"),
        ('[limits]\nmemory = "64 MBit"', "limits.memory: expected bytes, such as 67108864 or 64 MiB, not '64 MBit'"),
        ("[limits]\nring_bytes = 100000", "limits.ring_bytes: expected a power of two from 4096 to 67108864"),
        ("[limits]\nring_bytes = 2048", "limits.ring_bytes: expected a power of two from 4096 to 67108864"),
        ("watcher = auto", 'is not TOML: Invalid value (at line 1, column 11); text needs quotes, as in root = "mods"'),
        ('watcher = "auto"\nwatcher = "auto"', "is not TOML: Cannot overwrite a value (at end"),
        (b'root = "a"\n# gr\xfcn', "line 2 is not UTF-8 (byte 0xfc)"),
        ("#" * (config.LONGEST_FILE + 1), "is longer than 256 KiB; is this the right file?"),
        ('root = "."', "lies inside the mods folder it names"),
    ],
)
def test_what_is_wrong_is_named(write, text, said):
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        config.read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: No such file"):
        config.read(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.read(tmp_path)


def test_the_command_line_wins_field_by_field():
    file = Config(root="/mods", watcher=Watcher.POLLING, limits=Limits(files=10, memory=2**26))
    merged = config.merge(file, {"watcher": None, "confinement": "reduced", "limits": {"files": 20}})
    assert merged.watcher is Watcher.POLLING
    assert merged.confinement is Confinement.REDUCED
    assert merged.limits == Limits(files=20, memory=2**26)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("memory=64MiB", ("memory", 64 * 2**20)),
        ("memory = 1.5 GiB", ("memory", 3 * 2**29)),
        ("hang-after=0.5", ("hang_after", 0.5)),
        ("files=9", ("files", 9)),
    ],
)
def test_limits_on_the_command_line(text, parsed):
    assert config.parse_limit(text) == parsed


@pytest.mark.parametrize(
    "text", ["memory", "=5", "memory=", "files=many", "memory=lots", "memory=1", "files=1.5", "hang_after=1s"]
)
def test_a_limit_that_cannot_be_read_is_named(text):
    with pytest.raises(ConfigError, match="--limit"):
        config.parse_limit(text)


def test_an_unknown_limit_on_the_command_line_is_named():
    with pytest.raises(ConfigError, match=r"--limit memroy: there is no such limit; did you mean memory\?"):
        config.parse_limit("memroy=3")
    with pytest.raises(ConfigError, match=r"command line: limits\.memroy: .* did you mean limits\.memory\?"):
        config.merge(Config(), {"limits": {"memroy": 3}})


def test_the_file_is_found_where_one_stands_and_nowhere_above(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "fumehood.toml").touch()
    assert config.find(tmp_path) == tmp_path / "fumehood.toml"
    assert config.find(inner) is None


def test_the_root_must_be_a_folder_one_may_list(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert config.check_root(tmp_path / "link") == tmp_path.resolve()
    with pytest.raises(ConfigError, match="does not exist; make it with: mkdir -p"):
        config.check_root(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"is a file; name the folder that holds it: .*"):
        config.check_root(tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.check_root(tmp_path / "loop")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*Config.__struct_fields__, "limit"]) | st.text(max_size=5)


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(st.sampled_from(Limits.__struct_fields__), VALUES, max_size=3)))
def test_any_table_gives_settings_or_one_config_error(table):
    with contextlib.suppress(ConfigError):  # and nothing else
        assert isinstance(config.parse(table, "any"), Config)
