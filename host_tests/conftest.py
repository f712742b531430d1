"""Fixtures, and the collector that makes each MicroPython test function a pytest item."""

import ast
import json
import os
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

from tools import micropython
from tools.cloud import Cloud
from tools.cloud.limits import Limits

ROOT = Path(__file__).parents[1]
DEVICE = ROOT / "host_tests/device"
BOARD = ROOT / "boards/unix/cli.py"
# What a test in MicroPython may hold: the test itself, its servers and what they serve included.
HEAP = "2m"
# Seconds that a request may take on a machine that has other things to do.
PATIENCE_S = 120

# Generated cases are the same in every run: what a new one finds must not stop another's change.
settings.register_profile("same", derandomize=True, database=None, deadline=None, print_blob=True)
settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """The longest tests first: what is left for one worker at the end is short."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collect_file(file_path: Path, parent):
    if file_path.parent == DEVICE and file_path.suffix == ".py" and file_path.name[0] != "_":
        return DeviceFile.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent):
    # A file named on pytest's command line is offered as CPython's, too.
    if module_path.parent == DEVICE:
        return NoModule.from_parent(parent, path=module_path)


class NoModule(pytest.File):
    """Not for CPython."""

    def collect(self):
        return []


class DeviceFile(pytest.File):
    """A file of tests that run inside MicroPython."""

    def collect(self):
        for node in ast.parse(self.path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name.startswith("test_"):
                    item = DeviceItem.from_parent(self, name=node.name, line=node.lineno)
                    for mark in node.decorator_list:
                        if isinstance(mark, ast.Call) and mark.func.id == "expected_to_fail":
                            reason = mark.args[0].value
                            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
                    yield item


class DeviceItem(pytest.Item):
    """One test function, run in an interpreter of its own."""

    def __init__(self, line, **kw):
        super().__init__(**kw)
        self._line = line

    def runtest(self):
        with tempfile.TemporaryDirectory(prefix=self.name) as folder:
            env = {**os.environ, "TEST_DIR": folder}
            args = (self.path, self.name)
            micropython.run(DEVICE / "_run.py", *args, heap=HEAP, silent=True, env=env)

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, micropython.ScriptError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, self._line - 1, self.name


@pytest.fixture(scope="session")
def shared_cloud():
    with Cloud(limits=Limits(10**9, 10**9)) as cloud:
        yield cloud


@pytest.fixture
def cloud(shared_cloud):
    """A running cloud as if new: nothing recorded, no limits, nothing intercepted."""
    shared_cloud.forget()
    return shared_cloud


@pytest.fixture
def backend(cloud):
    """A client with the cloud's API key."""
    with httpx.Client(
        base_url=cloud.api_url,
        verify=cloud.authority.client_context(),
        headers={"Authorization": f"Bearer {cloud.api_key}"},
        timeout=PATIENCE_S,
    ) as client:
        yield client


@pytest.fixture
def clock(cloud):
    """The service's time, to be moved on: `clock(seconds)`."""
    now = cloud.service.now()
    moved = [timedelta()]
    cloud.service.now = lambda: now + moved[0]

    def move(seconds):
        moved[0] += timedelta(seconds=seconds)

    return move


class Board:
    """The desktop board with a configuration of its own."""

    def __init__(self, folder: Path, settings: dict):
        self.folder = folder
        self.settings = settings
        self.config = folder / "config.json"
        self.save()

    def save(self, **changes):
        self.settings.update(changes)
        self.config.write_text(json.dumps(self.settings))

    def run(self, *args, **more) -> subprocess.CompletedProcess:
        return micropython.attempt(BOARD, self.config, *args, **more)

    def add(self, *args) -> str:
        result = self.run("add", *args)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def drain(self, tries=1000) -> subprocess.CompletedProcess:
        """Upload what is pending, until it failed so many times."""
        return self.run("drain", "--tries", tries)

    def status(self) -> dict:
        result = self.run("status")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path


@pytest.fixture
def board(cloud, tmp_path):
    return Board(tmp_path, cloud.device_config(tmp_path / "flash"))


@pytest.fixture(scope="session")
def mpy(tmp_path_factory):
    """A directory with the firmware compiled to .mpy, as a device has it."""
    firmware = ROOT / "firmware"
    modules = [source.relative_to(firmware) for source in firmware.rglob("*.py")]
    return micropython.compile_tree(firmware, modules, tmp_path_factory.mktemp("mpy"))
