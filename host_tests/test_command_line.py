"""The desktop board used wrongly: one clear line, exit 2, nothing written."""

import json
import os
import pty
import signal
import subprocess

import pytest
from conftest import BOARD, ROOT

from tools import micropython


def refused(board, *args, says):
    result = board.run(*args)
    assert result.returncode == 2, (args, result.stdout, result.stderr)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and says in result.stderr, result.stderr
    assert not (board.folder / "flash").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "add|adopt|discard|drain"),
        (("upload",), "add|adopt|discard|drain"),
        (("add",), "at least one FILE"),
        (("add", "nowhere.opus"), "nowhere.opus"),
        (("add", "/"), "not a file"),
        (("add", "FILE=audio/midi"), "audio/flac"),
        (("add", "FILE=image/png@noon"), "CAPTURED_AT"),
        (("add", "FILE=image/png@"), "CAPTURED_AT"),
        (("add", "FILE", "nowhere.opus"), "nowhere.opus"),
        (("add", "UNKNOWN"), "unknown extension"),
        (("add", "--colour", "red", "FILE"), "--colour"),
        (("add", "--name"), "--name needs a value"),
        (("add", "--metadata", "@nowhere.json", "FILE"), "--metadata"),
        (("add", "--name=a", "--name=b", "FILE"), "twice"),
        (("add", "--started-at", "yesterday", "FILE"), "--started-at"),
        (("add", "--started-at", "2026-02-30T00:00:00Z", "FILE"), "--started-at"),
        (("add", "--ended-at", "2026-01-01T00:00:00", "FILE"), "--ended-at"),
        (("add", "--metadata", "{", "FILE"), "--metadata"),
        (("add", "--metadata", "[1]", "FILE"), "--metadata"),
        (("add", "--metadata", "@LONG", "FILE"), "metadata"),
        (("drain", "now"), "now"),
        (("drain", "--timeout", "soon"), "--timeout"),
        (("drain", "--timeout", "0"), "--timeout"),
        (("drain", "--timeout", "-5"), "--timeout"),
        (("status", "please"), "please"),
    ],
)
def test_wrong_arguments(board, args, says):
    long = board.file("long.json", json.dumps({"x": "y" * 3000}).encode())
    args = [str(a).replace("LONG", str(long)) for a in args]
    names = {"FILE": board.file("a.opus", b"abc"), "UNKNOWN": board.file("a.xyz", b"abc")}
    args = [str(a).replace("FILE", str(names["FILE"])) for a in args]
    refused(board, *(names.get(a, a) for a in args), says=says)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": 1}, "'colour'"),
        ({"device_token": 7}, "'device_token'"),
        ({"device_token": ""}, "'device_token'"),
        ({"storage": None}, "'storage'"),
        ({"roots": []}, "'roots'"),
        ({"roots": ["/nowhere.der"]}, "/nowhere.der"),
        ({"max_connections": "two"}, "'max_connections'"),
        ({"chunk_bytes": 1}, "'chunk_bytes'"),
        ({"api_url": "http://localhost/v1"}, "allow_insecure"),
        ({"api_url": "localhost"}, "'api_url'"),
    ],
)
@pytest.mark.parametrize("command", ["add", "drain", "status"])
def test_wrong_configuration(board, command, changes, says):
    board.save(**changes)
    args = [command] + ([board.file("a.opus", b"abc")] if command == "add" else [])
    refused(board, *args, says=says)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\xff"])
def test_a_configuration_that_is_no_json_object(board, text):
    board.config.write_text(text, "latin-1")
    refused(board, "status", says="config.json")


def test_a_configuration_that_is_missing(board):
    board.config.unlink()
    refused(board, "status", says="config.json")


def test_help_is_printed_on_request():
    shown = micropython.attempt(BOARD, "--help")
    assert shown.returncode == 0 and "add" in shown.stdout and "Exit status" in shown.stdout
    bare = micropython.attempt(BOARD)
    assert bare.returncode == 2 and "add" in bare.stdout


def test_a_storage_that_is_a_file_is_a_clear_error(board):
    (board.folder / "flash").write_text("not a directory")
    result = board.run("status")
    assert result.returncode == 1
    assert "not a directory" in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_person_at_a_terminal_sees_progress(cloud, board):
    board.add(board.file("a.opus", os.urandom(200_000)))
    pid, fd = pty.fork()
    if pid == 0:
        command = micropython.command(BOARD, board.config, "drain")
        os.execv(command[0], command)
    shown = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = shown.decode()
    assert "[##############################] 100 %" in text and "200.0 kB of 200.0 kB" in text
    assert "progress" not in text and "completed" in text


def test_commands_on_one_storage_take_turns_and_a_killed_ones_lock_is_taken_over(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    cloud.state.set_token_state(board.settings["device_token"], "revoked")
    draining = micropython.start(BOARD, board.config, "drain", stdout=subprocess.PIPE)
    while "retry" not in draining.stdout.readline():
        assert draining.poll() is None
    adding = micropython.start(
        *(BOARD, board.config, "add", board.folder / "a.opus"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert "waiting" in adding.stderr.readline()
    assert adding.poll() is None
    draining.send_signal(signal.SIGKILL)
    draining.communicate()
    out, _ = adding.communicate(timeout=600)
    assert adding.returncode == 0 and out.strip() == "000002"
    assert not (board.folder / "flash.lock").exists()


def test_the_demo_runs():
    result = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("identical, byte for byte") == 2
    assert "\ndone\n" in result.stdout
    assert "dtok" not in result.stdout
