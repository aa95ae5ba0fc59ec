"""Which mods are for which game, by what their manifests say."""

import pytest
from fumehood.runner.terms import MISMATCH, Terms, specifiers
from fumehood.shared.contract import Contract, packed
from fumehood.shared.errors import ProtocolError


@pytest.mark.parametrize(
    ("version", "game_api", "fits"),
    [
        ("2", "", True),
        ("2", ">=2,<3", True),
        ("2.9", ">=2,<3", True),
        ("3", ">=2,<3", False),
        ("1", ">=2", False),
        ("2.0.0", "==2.*", True),
        ("3.0b1", ">=2", True),
        ("2", "nonsense", False),
    ],
)
def test_a_mod_fits_the_versions_it_was_written_for(version: str, game_api: str, fits: bool) -> None:
    why = Terms(packed(Contract("farm", version))).judge(game_api)
    assert (why is None) == fits
    if why is not None:
        assert why.kind == MISMATCH
        assert game_api in why.message
        assert f"farm {version}" in why.message


@pytest.mark.parametrize("version", ["none", "1" * 5000])
def test_a_version_that_is_none_fits_no_range(version: str) -> None:
    why = Terms(packed(Contract("farm", version))).judge(">=2")
    assert why is not None
    assert why.kind == MISMATCH


def test_a_game_that_declares_nothing_takes_every_mod() -> None:
    assert Terms().judge(">=99") is None


def test_what_is_no_contract_is_refused() -> None:
    with pytest.raises(ProtocolError):
        Terms(b"\xc1")


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\u202e", "\x9b", "\n"])
def test_what_a_terminal_would_obey_is_no_range_of_versions(char: str) -> None:
    """``===`` takes any characters but a few; what is told of a mod goes to terminals as it is."""
    assert specifiers(f"==={char}[2J") is None
    why = Terms(packed(Contract("farm", "2"))).judge(f"==={char}[2J")
    assert why is not None
    assert why.message.isprintable()


def test_a_range_of_versions_has_a_bound() -> None:
    assert specifiers(">=2" + ",<3" * 60) is not None
    assert specifiers(">=2" + ",<3" * 70) is None
