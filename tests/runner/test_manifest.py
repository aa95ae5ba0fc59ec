"""Any bytes give a Manifest or one Refused that names file and line."""

import tracemalloc

import pytest
from fumehood.runner.manifest import FILE, LONGEST_KEY, MOST_BYTES, Manifest, Refused, _block, read
from fumehood.runner.terms import LONGEST_RANGE
from fumehood.shared.messages import Diagnostic, pack
from fumehood.shared.policy import Limits
from hypothesis import given, settings
from hypothesis import strategies as st


def script(text, ceiling=None):
    data = text if isinstance(text, bytes) else text.encode()
    return read({"x.py": data}, folder=False, name="x.py", where="a/", ceiling=ceiling or Limits())


def folder(text, init=b"", ceiling=None):
    files = {"__init__.py": init}
    if text is not None:
        files[FILE] = text if isinstance(text, bytes) else text.encode()
    return read(files, folder=True, name="", where="weather/", ceiling=ceiling or Limits())


def block(*lines):
    return "\n".join(["import os", "# /// script", *(f"# {line}".rstrip() for line in lines), "# ///", "x = 1"])


def refused(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    diagnostic = caught.value.diagnostic
    assert diagnostic.stage == "snapshot"
    return diagnostic


def test_no_manifest_is_all_defaults():
    assert script("x = 1") == folder(None) == Manifest()


def test_both_forms_say_the_same():
    lines = [
        'game-api = ">=2,<3"', 'requires = ["economy"]', "order = -2",
        'description = "rain"', "", "[limits]", 'memory = "16 MiB"', "hang-after = 0.5",
    ]  # fmt: skip
    wanted = Manifest(
        game_api=">=2,<3", requires=("economy",), order=-2, description="rain",
        limits={"memory": 16 * 2**20, "hang_after": 0.5},
    )  # fmt: skip
    in_tool = [line.replace("[limits]", "[tool.fumehood.limits]") for line in lines]
    assert script(block("[tool.fumehood]", *in_tool)) == wanted
    assert folder("\n".join(lines)) == wanted
    assert folder("\n".join(["[tool.fumehood]", *in_tool])) == wanted


def test_other_tools_and_other_blocks_are_left_alone():
    assert script(block('requires-python = ">=3.11"', 'dependencies = ["numpy"]', "[tool.uv]", "x = 1")) == Manifest()
    assert script("# /// other\n# [tool.fumehood]\n# nonsense = 1\n# ///\n") == Manifest()
    assert script("# /// script\n# [tool.fumehood]\n# order = 1\n") == Manifest()  # never closed: no block


def test_crlf_bom_and_undecodable_code_around_it():
    assert script(block("[tool.fumehood]", "order = 3").replace("\n", "\r\n")).order == 3
    assert script(b"\xff\xfe = 1\n" + block("[tool.fumehood]", "order = 4").encode()).order == 4
    assert folder(b"\xef\xbb\xbforder = 5").order == 5


def test_its_limits_lower_the_game_s_and_never_raise_them():
    own = folder("[limits]\nfiles = 5\n").within(Limits(files=9))
    assert own == Limits(files=5)
    assert Manifest(limits={"memory": 99}).within(Limits(memory=9)).memory == 9


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["[tool.fumehood]", "ordre = 1"], 4, "did you mean 'order'"),
        (["[tool.fumehood]", "", "wibble = 1"], 5, "known are"),
        (["[tool.fumehood.limits]", "memroy = 1"], 4, "did you mean 'memory'"),
        (["[tool.fumehood.limits]", "memory = 1073741824"], 4, "more than the game allows (268435456)"),
        (
            ["[tool.fumehood.limits]", "memory = true"],
            4,
            "memory: expected bytes, such as 67108864 or 64 MiB, not True",
        ),
        (["[tool.fumehood.limits]", "files = 1.5"], 4, "files: expected a whole number, such as 64, not 1.5"),
        (["[tool.fumehood.limits]", "memory = 0"], 4, "memory: expected more than 0, not 0"),
        (["[tool.fumehood.limits]", "hang-after = -1.0"], 4, "more than 0"),
        (["[tool.fumehood.limits]", "hang-after = nan"], 4, "more than 0"),
        (["[tool.fumehood.limits]", "hang-after = inf"], 4, "more than 0"),
        (["[tool.fumehood.limits]", 'hang-after = "1s"'], 4, "hang_after: expected seconds, such as 0.5, not '1s'"),
        (["[tool.fumehood.limits]", "memory = 1"], 4, "memory: expected at least 8 MiB, not 1: no mod loads with less"),
        (
            ["[tool.fumehood.limits]", 'memory = "64 Mb."'],
            4,
            "expected bytes, such as 67108864 or 64 MiB, not '64 Mb.'",
        ),
        (["[tool.fumehood.limits]", "ring-bytes = 8192"], 4, "'ring-bytes' is the game's to set"),
        (["[tool.fumehood.limits]", "memory = [[1]]"], 4, "not a list"),
        (["[tool.fumehood.limits]", "memory = 0x" + "f" * 6000], 4, "a larger number is more than any machine has"),
        (["[tool.fumehood]", "requires = 3"], 4, "requires: Expected `array`"),
        (["[tool.fumehood]", 'requires = ["a", 3]'], 4, "requires: Expected `str`"),
        (["[tool.fumehood]", "permissions = 3"], 4, "permissions: Expected `array`"),
        (["[tool.fumehood]", 'permissions = ["threads"]'], 4, "'threads' cannot be granted"),
        (["[tool.fumehood]", "game_api = 3"], 4, "game-api: Expected `str`"),
        (["[tool.fumehood]", "order = 99999999999999999999999"], 4, "order:"),
        (["[tool.fumehood]", 'game-api = ""', "game_api = ''"], 0, "set twice"),
        (["[tool]", "fumehood = 3"], 4, "has to be a table"),
        (["[tool.fumehood]", "limits = 3"], 4, "limits has to be a table"),
        (["[tool.fumehood]", "order = ?"], 4, "Invalid value"),
        (["[tool.fumehood]", 'description = "open'], 4, "Unterminated string"),
    ],
)
def test_each_mistake_names_its_line(lines, line, words):
    diagnostic = refused(script, block(*lines))
    assert diagnostic.kind == "ManifestError"
    assert diagnostic.file == "a/x.py"
    assert words in diagnostic.message
    if line:
        assert diagnostic.line == line
        assert lines[line - 3][:400] in diagnostic.source


def test_a_folder_s_mistakes_are_in_its_mod_toml():
    diagnostic = refused(folder, "order = 1\n\nordre = 2\n")
    assert (diagnostic.file, diagnostic.line, diagnostic.source) == ("weather/mod.toml", 3, "ordre = 2")
    diagnostic = refused(folder, "order = \n")
    assert (diagnostic.file, diagnostic.line, diagnostic.column) == ("weather/mod.toml", 1, 9)
    diagnostic = refused(folder, b"order = 1\n# \xff\n")
    assert (diagnostic.line, diagnostic.message) == (2, "the manifest is not UTF-8")
    assert "two forms" in refused(folder, "order = 1\n[tool.fumehood]\n").message


def test_settings_in_the_wrong_place_are_not_ignored():
    init = block("[tool.fumehood]", "order = 1").encode()
    assert "stand in its mod.toml" in refused(folder, None, init=init).message


def test_two_blocks_are_one_too_many():
    diagnostic = refused(script, block("a = 1") + "\n" + block("b = 1"))
    assert diagnostic.line == 7


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000,
        "limits.memory" + ".a" * 20_000 + " = 1",
        "order = " + "9" * 6000,
        "x = 1979-13-45",
        "#" + "x" * MOST_BYTES,
        "[limits]\nmemory" + ".a" * 5000 + " = 1",
    ],
)
def test_hostile_toml_is_one_refusal(text):
    refused(folder, text)


@pytest.mark.parametrize("text", ["order = 1\n" + "b." * 8000 + "b = 1", "# x\n[" + "c ." * 5000 + "c]"])
def test_a_key_of_thousands_of_parts_is_not_even_parsed(text):
    diagnostic = refused(folder, text)
    assert (diagnostic.line, "dots" in diagnostic.message) == (2, True)


@pytest.mark.parametrize("mistake", ["bogus = 1", "order = true", "[limits]\nmemory = '1 TiB'", "game-api = 'x'"])
@pytest.mark.parametrize("line", ["[" * 4000 + "a" * 4000, "a" * 8000, "a." * 90 + "[" * 8000, "{" * 4000 + " " * 4000])
def test_a_line_of_marks_costs_no_more_than_another(line, mistake):
    """A regular expression that looked for the mistake's line took minutes for the first of these."""
    diagnostic = refused(folder, f'description = """\n{line}\n"""\n{mistake}\n')
    assert diagnostic.source == mistake.rpartition("\n")[2]
    assert refused(script, block("[tool.fumehood]", f"description = '{line}'", "bogus = 1")).line == 5


@pytest.mark.parametrize("key", ["x" + "-" * 15_000, "a" * 15_000, '"' + " " * 15_000 + '"', '"' + "[-_]" * 3700 + '"'])
def test_of_a_long_key_no_more_than_its_beginning_is_looked_at(key):
    diagnostic = refused(folder, f"order = 1\n{key} = 1\n")
    assert (diagnostic.line, "unknown key" in diagnostic.message) == (2, True)
    assert len(diagnostic.message) < LONGEST_KEY + 200
    assert len(refused(folder, f"{key} = 1\n[tool.fumehood]\n").message) < LONGEST_KEY + 200


def test_the_place_that_a_key_claims_is_not_believed():
    key = '"x (at line 77, column 88)"'
    diagnostic = refused(folder, f"order = 1\n[{key}]\n[{key}]\n")
    assert (diagnostic.line, "column 88" in diagnostic.message) == (3, True)
    assert refused(folder, f"order = 1\n[{key}]\na = 1\na = 1 # {key}").line == 4
    digits = '"(at line ' + "9" * 5000 + ', column 1)"'
    assert refused(folder, f"[{digits}]\n[{digits}]").line == 2


@pytest.mark.parametrize("game_api", [">=" + "1" * 5000, "==1." + "1" * 5000 + ".*", ">=1," * 1000 + "<9"])
def test_a_range_of_versions_is_short(game_api):
    """The digits went unnoticed here, and raised ValueError when a game attached."""
    diagnostic = refused(folder, f'game-api = "{game_api}"')
    assert (diagnostic.line, str(LONGEST_RANGE) in diagnostic.message) == (1, True)


SPELLINGS = st.sampled_from([
    "{} = 1", "  {}=1", '"{}" = 1', "'{}' = 1", "{}.x = 1", '"{}".x.y = 1', "[{}]", "[ {} ]", "[[{}]]", "[{}.x]",
    "['{}'.x] # a comment", "{} = [1, 2]", "{} = {{ a = 1 }} # = 2",
])  # fmt: skip
BESIDE = st.sampled_from([
    "order = 1", "description = 'a = [1] {KEY'", "# KEY = 1", "", "   ", "requires = [\n  'KEY',\n]",
    'game-api = """\nKEY = 1\n[KEY]\n"""', "permissions = [\n# KEY = 2\n]", "# = = {, ] [",
])  # fmt: skip


@given(
    SPELLINGS, st.lists(BESIDE, unique_by=lambda text: text[:1]), st.sampled_from(["wi-bble", "wi_b", "x", "a" * 201])
)
def test_the_line_is_the_one_that_sets_the_key(spelling, before, key):
    lines = "\n".join(before).replace("KEY", key).split("\n") if before else []
    mistake = spelling.format(key)
    diagnostic = refused(folder, "\n".join([*lines, mistake, "[limits]"]))
    assert "unknown key" in diagnostic.message
    assert (diagnostic.line, diagnostic.source) == (len(lines) + 1, mistake)


def test_the_line_of_a_key_in_a_table_on_one_line():
    assert refused(folder, "order = 1\nlimits = { files = 3, wibble = 1 }\n").line == 2
    assert refused(folder, "order = 1\nlimits = {wibble = 1 , files = 3}\n").line == 2
    assert refused(folder, "description = '''\nx'''\nlimits.wibble = 1 # '''\n").line == 3
    assert refused(folder, '# a comment with three: """\nwibble = 1\n').line == 2


PIECES = st.lists(
    st.sampled_from([
        "# /// script", "# /// script ", " # /// script", "# /// scripts", "# ///", "# /// ", "#", "# order = 1", "#x",
        "# [tool.fumehood]", "", "x = 1", "# /// other",
    ]),
    max_size=12,
)  # fmt: skip


def by_line(data):
    """What blocks there are, told line by line."""
    blocks = []
    lines = data.splitlines()
    at = 0
    while at < len(lines):
        end, last = at + 1, 0
        if lines[at].rstrip() == b"# /// script":
            while end < len(lines) and (lines[end] == b"#" or lines[end].startswith(b"# ")):
                last = end if lines[end].rstrip() == b"# ///" else last
                end += 1
        if last:
            blocks.append((b"\n".join(line[2:] for line in lines[at + 1 : last]), "x.py", at + 1))
        at = end
    return blocks


@settings(max_examples=500)
@given(PIECES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_a_block_is_where_it_is_read_line_by_line(pieces, newline, ended):
    data = (newline.join(pieces) + newline * ended).encode()
    blocks = by_line(data)
    if len(blocks) > 1:
        assert refused(_block, data, "x.py").line == blocks[1][2]
    else:
        assert _block(data, "x.py") == (blocks[0] if blocks else None)


def test_a_block_that_does_not_end_soon_is_refused():
    text = "x = 1\n# /// script\n" + "# # so much\n" * MOST_BYTES
    diagnostic = refused(script, text + "# ///\n")
    assert (diagnostic.line, diagnostic.message) == (2, f"the manifest is longer than {MOST_BYTES} bytes")
    assert script(text) == Manifest()  # it does not end at all
    assert script("# /// script\n# # " + "x" * MOST_BYTES) == Manifest()
    assert "longer than" in refused(script, "# /// script\n# # " + "x" * MOST_BYTES + "\n# ///").message
    assert script("# /// script\n# [tool.fumehood]\n# order = 7\n# ///\n" + "# a licence\n" * MOST_BYTES).order == 7
    assert script("# /// script\n# [tool.fumehood]\n# order = 7\n# ///\n" + "x = 1\n" * MOST_BYTES).order == 7


def test_of_a_large_file_no_more_than_its_block_is_copied():
    """Split into lines, this one took 150 MiB and the supervisor's time."""
    text = b"ab\n" * 2_000_000 + b"# /// script\n# [tool.fumehood]\n# order = x\n# ///\n" + b"ab\n" * 700_000
    tracemalloc.start()
    try:
        assert refused(script, text).line == 2_000_003
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_full_of_openings_takes_linear_time():
    assert script("# /// script\n#\nx\n" * 400_000) == Manifest()
    assert "longer than" in refused(script, "# /// script\n#\nx\n# ///\n" * 300_000).message
    assert script("# /// script\n" * 300_000) == Manifest()
    assert script("# /// script\nx\n" * 200_000) == Manifest()


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode(errors="surrogatepass"))))
def test_any_bytes_give_a_manifest_or_a_refusal(data):
    in_script = b"# /// script\n# " + data.replace(b"\n", b"\n# ") + b"\n# ///\n"
    for call in (lambda: folder(data), lambda: script(in_script)):
        try:
            got = call()
        except Refused as error:
            got = error.diagnostic
            pack(got)
        assert isinstance(got, Manifest | Diagnostic)
