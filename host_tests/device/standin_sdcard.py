"""The stand-in for machine.SDCard is no kinder than the port."""

import os

import vfs
from _support import raises
from flash import Flash
from sdcard import FAILED, OK, SDCardMaker, Socket


def cells():
    card = Flash(512, 512, sectors=True)
    vfs.VfsFat.mkfs(card)
    return card


def write(name):
    with open("/card/" + name, "w") as f:
        f.write(name)


def test_a_second_one_on_the_bus_is_refused_until_the_first_was_deinitialised():
    make = SDCardMaker(Socket(cells()))
    first = make(slot=2)
    e = raises(OSError, lambda: make(slot=2))
    assert e.errno == -259
    first.deinit()
    second = make(slot=2)
    first.deinit()  # nothing the second time: the bus is another's now
    assert second.ioctl(4, 0) == 512 and second.readblocks(0, bytearray(512)) is OK


def test_forgetting_the_object_does_not_give_the_bus_back():
    make = SDCardMaker(Socket(cells()))
    vfs.mount(make(slot=2), "/card")
    vfs.umount("/card")
    raises(OSError, lambda: make(slot=2))


def test_on_sdmmc_a_second_one_comes_about_and_ends_with_the_first():
    make = SDCardMaker(Socket(cells()))
    first, second = make(slot=1), make(slot=1)
    assert second.readblocks(0, bytearray(512)) is OK
    first.deinit()
    assert second.readblocks(0, bytearray(512)) is FAILED
    third = make(slot=1)
    assert third.readblocks(0, bytearray(512)) is OK
    assert second.readblocks(0, bytearray(512)) is FAILED


def test_no_card_is_no_error_and_minus_one_is_true():
    card = SDCardMaker(Socket())(slot=2)
    assert card.ioctl(4, 0) == -1 and card.ioctl(1, 0) == -1
    assert card.readblocks(0, bytearray(512)) is FAILED
    raises(OSError, vfs.mount, card, "/card")
    raises(OSError, card.info)


def test_a_card_that_was_out_does_not_come_back_to_the_object_that_knew_it():
    socket = Socket(cells())
    make = SDCardMaker(socket)
    card = make(slot=2)
    vfs.mount(card, "/card")
    write("a")
    out = socket.pull()
    raises(OSError, write, "b")
    socket.put(out)
    assert card.readblocks(0, bytearray(512)) is FAILED
    raises(OSError, write, "b")
    assert card.ioctl(4, 0) == 512  # it does not know
    vfs.umount("/card")
    card.deinit()
    vfs.mount(make(slot=2), "/card")
    assert "a" in os.listdir("/card")
    vfs.umount("/card")


def test_littlefs_can_not_use_it():
    raises(Exception, vfs.VfsLfs2.mkfs, SDCardMaker(Socket(cells()))(slot=2))


def test_what_the_port_refuses():
    make = SDCardMaker(Socket(cells()))
    raises(ValueError, lambda: make(slot=4))
    raises(ValueError, lambda: make(slot=2, cmd=1))
    raises(ValueError, lambda: make(slot=1, cs=1))
    raises(ValueError, lambda: make(slot=1, width=8))
    assert make(slot=2).ioctl(6, 0) == -1
