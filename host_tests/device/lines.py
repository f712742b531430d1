"""Durable lines and values: whole or absent."""

import os

from _support import folder

from uploader import journal
from uploader.journal import Durable


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def test_what_was_appended_is_read_in_order():
    path = folder() + "/a"
    journal.append(path, {"a": 1}, ["b", "é\n"])
    journal.append(path, [3])
    assert list(journal.read(path)) == [{"a": 1}, ["b", "é\n"], [3]]


def test_a_line_cut_anywhere_is_absent_and_the_next_one_whole():
    path = folder() + "/a"
    whole = journal.encode([1]) + journal.encode(["second", 2])
    for cut in range(len(journal.encode([1])), len(whole)):
        write(path, whole[:cut])
        # Only its newline missing, the line is whole.
        before = [[1], ["second", 2]] if cut == len(whole) - 1 else [[1]]
        assert list(journal.read(path)) == before
        journal.append(path, [3])
        assert list(journal.read(path)) == before + [[3]], cut


def test_a_flipped_byte_spoils_its_line_only():
    path = folder() + "/a"
    good = journal.encode([1, "abc"])
    for i in range(len(good) - 1):
        for bit in (1, 32, 128):
            bad = bytearray(good)
            bad[i] ^= bit
            if bad[i] == 10:
                continue
            write(path, bytes(bad) + journal.encode([2]))
            found = list(journal.read(path))
            # Upper and lower case of a hex digit are the same number.
            assert found == [[2]] or (bit == 32 and i >= len(good) - 9 and found[0] == [1, "abc"])


def test_garbage_of_any_length_neither_crashes_nor_hides_what_follows():
    path = folder() + "/a"
    write(path, os.urandom(20000).replace(b"\n", b" ") + b"\n" + journal.encode([2]))
    assert list(journal.read(path)) == [[2]]


def test_a_durable_value_survives_its_newest_write_being_torn():
    path = folder() + "/v"
    value = Durable(path)
    value.value = {"n": 1}
    value.save()
    value.value = {"n": 2}
    value.save()
    assert Durable(path).value == {"n": 2}
    newest = path + ".0"
    data = open(newest, "rb").read()
    for cut in range(len(data) - 1):
        write(newest, data[:cut])
        again = Durable(path)
        assert again.value == {"n": 1}
    again.value = {"n": 3}
    again.save()
    assert Durable(path).value == {"n": 3}


def test_a_durable_value_is_written_only_when_it_changed():
    path = folder() + "/v"
    value = Durable(path)
    value.value = {"n": 1}
    value.save()
    os.unlink(path + ".1")
    value.save()
    assert os.listdir(folder()) == []
