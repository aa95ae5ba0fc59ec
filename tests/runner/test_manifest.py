"""Any bytes give a Manifest or one Refused that names file and line."""

import pytest
from fumehood.runner.manifest import FILE, MOST_BYTES, Manifest, Refused, read
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


def test_a_file_full_of_openings_takes_linear_time():
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
