"""For pytest, which loads it by itself where fumehood is installed: the fixture `fumehood`, for tests of mods.

Options: ``--fumehood-confinement``; in the ini file `fumehood_api` (``game:api``), `fumehood_packages`,
`fumehood_confinement`; the marker ``@pytest.mark.fumehood(api=…, packages=[…], limits=Limits(…))`` goes before them.

Every pytest run imports this: what it takes to run mods is imported when the fixture is used.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .proving import Grounds
    from .testing import Fumehood

MARKER = "fumehood(api=None, packages=(), limits=None): what the fixture `fumehood` runs this test's mods with."


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest's hook: our options."""
    modes = "full (default), or reduced where this machine has no user namespaces; see: fumehood doctor"
    group = parser.getgroup("fumehood", "fumehood: tests of mods")
    group.addoption("--fumehood-confinement", choices=["full", "reduced"], help=f"How mods are confined: {modes}.")
    parser.addini("fumehood_confinement", f"How mods are confined: {modes}.", default="full")
    parser.addini(
        "fumehood_api", "The game's Api, as MODULE:NAME; the module is found from the root folder on.", default=""
    )
    parser.addini("fumehood_packages", "Packages that mods may import.", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """pytest's hook: our marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """pytest's hook: a test that failed shows what its mods said."""
    report = yield
    fixture = getattr(item, "funcargs", {}).get("fumehood")
    if report.when == "call" and report.failed and fixture is not None:
        from ..shared.errors import FumehoodError

        try:
            lines = [str(line) for line in fixture.log]
        except FumehoodError as error:
            lines = [f"(no log: {error})"]
        if lines:
            report.sections.append(("what mods said", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def _fumehood_grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Grounds"]:
    from .proving import Grounds

    grounds = Grounds(lambda: tmp_path_factory.mktemp("fumehood"))
    yield grounds
    grounds.close()


@pytest.fixture
def fumehood(request: pytest.FixtureRequest, _fumehood_grounds: "Grounds") -> Iterator["Fumehood"]:
    """Load mods in real, confined workers: `fumehood.load("weather.py").call("forecast", "monday")`."""
    from ..shared.policy import Confinement
    from .testing import Fumehood

    config = request.config
    mode = config.getoption("--fumehood-confinement") or config.getini("fumehood_confinement")
    if mode not in tuple(Confinement):
        raise pytest.UsageError(f"fumehood_confinement = {mode}: full, or reduced")
    marks = _marked(request)
    fixture = Fumehood(_fumehood_grounds, [request.path.parent, Path.cwd(), config.rootpath], Confinement(mode))
    fixture.api = marks["api"] if "api" in marks else _api(config)
    fixture.packages = marks.get("packages", config.getini("fumehood_packages"))
    fixture.limits = marks.get("limits")
    yield fixture
    fixture.close()


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mark in request.node.iter_markers("fumehood"):  # the nearest first
        if mark.args or (odd := sorted(set(mark.kwargs) - {"api", "packages", "limits"})):
            raise pytest.UsageError(f"@pytest.mark.fumehood takes api=, packages= and limits=, not {mark.args or odd}")
        found = {**mark.kwargs, **found}
    return found


def _api(config: pytest.Config) -> Any:
    named = config.getini("fumehood_api")
    if not named:
        return None
    from ..shared.errors import ConfigError
    from .api_lookup import find_api

    try:
        return find_api(named, config.rootpath)
    except ConfigError as error:
        raise pytest.UsageError(f"fumehood_api = {error}") from None
