"""The stand-in for machine.SDCard is no kinder than the port."""

import os

import vfs
from _support import raises
from flash import Flash
from sdcard import SDCardMaker, Socket


def cells():
    card = Flash(512, 512, sectors=True)
    vfs.VfsFat.mkfs(card)
    return card


def test_a_second_one_on_the_bus_is_refused_until_the_first_was_deinitialised():
    make = SDCardMaker(Socket(cells()))
    first = make(slot=2)
    e = raises(OSError, lambda: make(slot=2))
    assert e.errno == -259
    first.deinit()
    second = make(slot=2)
    first.deinit()  # nothing the second time: the bus is another's now
    assert second.ioctl(4, 0) == 512 and second.readblocks(0, bytearray(512))


def test_forgetting_the_object_does_not_give_the_bus_back():
    make = SDCardMaker(Socket(cells()))
    vfs.mount(make(slot=2), "/card")
    vfs.umount("/card")
    raises(OSError, lambda: make(slot=2))


def test_on_sdmmc_a_second_one_comes_about_and_ends_with_the_first():
    make = SDCardMaker(Socket(cells()))
    first, second = make(slot=1), make(slot=1)
    assert second.readblocks(0, bytearray(512))
    first.deinit()
    assert not second.readblocks(0, bytearray(512))
    third = make(slot=1)
    assert third.readblocks(0, bytearray(512)) and not second.readblocks(0, bytearray(512))


def test_no_card_is_no_error_and_minus_one_is_true():
    card = SDCardMaker(Socket())(slot=2)
    assert card.ioctl(4, 0) == -1 and card.ioctl(1, 0) == -1
    assert card.readblocks(0, bytearray(512)) is False
    assert raises(OSError, vfs.VfsFat, card).errno in (5, 19)  # EIO, ENODEV
    raises(OSError, card.info)


def test_a_card_that_was_out_does_not_come_back_to_the_object_that_knew_it():
    socket = Socket(cells())
    make = SDCardMaker(socket)
    card = make(slot=2)
    vfs.mount(card, "/card")
    with open("/card/a", "w") as f:
        f.write("a")
    out = socket.pull()
    raises(OSError, open, "/card/b", "w")
    socket.put(out)
    raises(OSError, os.listdir, "/card")
    assert card.ioctl(4, 0) == 512  # it does not know
    vfs.umount("/card")
    card.deinit()
    vfs.mount(make(slot=2), "/card")
    assert os.listdir("/card") == ["a"]
    vfs.umount("/card")


def test_littlefs_can_not_use_it():
    raises(TypeError, vfs.VfsLfs2.mkfs, SDCardMaker(Socket(cells()))(slot=2))


def test_what_the_port_refuses():
    make = SDCardMaker(Socket(cells()))
    raises(ValueError, lambda: make(slot=4))
    raises(ValueError, lambda: make(slot=2, cmd=1))
    raises(ValueError, lambda: make(slot=1, cs=1))
    raises(ValueError, lambda: make(slot=1, width=8))
    assert make(slot=2).ioctl(6, 0) == -1
