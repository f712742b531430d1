"""The stand-in for machine.I2S is no kinder than the port: each thing that a recorder has to live
with is shown here, in virtual time."""

import asyncio
import gc
import struct

import uctypes
import vfs
import virtual
from _support import raises
from chip import Chip, Crash
from i2s import I2SMaker
from timedflash import TimedFlash

FRAME_MS = 256 / 16  # a descriptor at 16 kHz
PINS = {"sck": 1, "ws": 2, "sd": 3}


def made(ibuf=20480, chip=None, **more):
    chip = chip or Chip()
    maker = I2SMaker(chip)
    settings = {"mode": maker.RX, "bits": 16, "format": maker.MONO, "rate": 16000}
    settings.update(PINS)
    settings.update(more)
    return chip, maker, maker(0, ibuf=ibuf, **settings)


def samples(buf):
    return struct.unpack("<%dh" % (len(buf) // 2), buf)


def gaps(values):
    """[(at, lost)] in samples of a ramp."""
    found = []
    for i in range(len(values) - 1):
        step = (values[i + 1] - values[i]) & 0xFFFF
        if step != 1:
            found.append((i, step - 1))
    return found


def test_the_buffer_is_8_bytes_a_frame_whatever_the_format():
    for ibuf, descriptors in ((20480, 10), (2048, 2), (0, 2), (40000, 19)):
        for more in ({}, {"bits": 32}, {"format": 1}):
            _, _, i2s = made(ibuf, **more)
            assert i2s.descriptors == descriptors


def test_a_reader_that_is_late_by_less_than_the_ring_loses_nothing_and_by_more_without_a_word():
    for late, lost in ((8 * FRAME_MS, 0), (9 * FRAME_MS, 0), (500, 5632)):
        chip, _, i2s = made()
        first, second = bytearray(512), bytearray(8192)
        assert i2s.readinto(first) == 512
        chip.block(late)
        assert i2s.readinto(second) == 8192
        values = samples(first) + samples(second)
        assert sum(n for _, n in gaps(values)) == lost, (late, gaps(values))
        assert (i2s.overrun > 0) == (lost > 0)


def test_a_blocking_read_holds_python_up():
    chip, _, i2s = made()
    ran = []
    chip.schedule(ran.append, 1)
    assert i2s.readinto(bytearray(3200)) == 3200
    assert chip.us == 112000 and not ran  # seven descriptors for 1600 frames
    chip.busy(1)
    assert ran == [1]


def test_an_erase_longer_than_a_descriptor_loses_all_but_the_last():
    for erase, lost in ((FRAME_MS * 0.9, 0), (FRAME_MS * 5, 4 * 256)):
        chip, _, i2s = made()
        first, second = bytearray(512), bytearray(4096)
        i2s.readinto(first)
        chip.erase(erase)
        i2s.readinto(second)
        values = samples(first) + samples(second)
        assert sum(n for _, n in gaps(values)) == lost, gaps(values)


def test_the_ring_is_physical_what_waited_through_a_long_erase_is_overwritten():
    chip, _, i2s = made(2048 * 4)
    chip.busy(FRAME_MS * 3.5)
    chip.erase(FRAME_MS * 9)
    buf = bytearray(512)
    i2s.readinto(buf)
    # The first descriptor was announced as frames 0 to 255; another lap is in its place.
    assert samples(buf)[0] > 255


async def test_asyncio_is_told_of_data_before_there_is_any_and_gets_what_there_is():
    chip, _, i2s = made()
    virtual.install(chip)
    reader = asyncio.StreamReader(i2s)
    buf = bytearray(2048)
    assert await reader.readinto(buf) == 0  # nothing yet: not the end
    n = await reader.readinto(buf)
    assert n == 512 and samples(buf[:n]) == tuple(range(256))
    assert 16000 <= chip.us < 17000


async def test_one_poll_is_enough_to_leave_the_other_modes():
    chip, _, i2s = made()
    done = []
    i2s.irq(done.append)
    i2s.ioctl(3, 1)
    assert i2s.readinto(bytearray(512)) == 0
    chip.busy(100)
    assert not done


def test_a_third_buffer_is_dropped_and_still_reports_its_size():
    chip, _, i2s = made()
    done = []
    i2s.irq(done.append)
    buffers = [bytearray(3200) for _ in range(3)]
    assert i2s.readinto(buffers[0]) == 3200
    chip.idle(1000)  # the task takes the first
    assert i2s.readinto(buffers[1]) == 3200
    assert i2s.readinto(buffers[2]) == 3200
    assert i2s.dropped == 1
    chip.busy(1000)
    assert len(done) == 2 and not any(buffers[2])
    assert samples(buffers[0] + buffers[1]) == tuple(range(3200))


def test_two_buffers_at_once_are_one_too_many_until_the_task_has_run():
    chip, _, i2s = made()
    i2s.irq(lambda _: None)
    i2s.readinto(bytearray(512))
    i2s.readinto(bytearray(512))
    assert i2s.dropped == 1
    chip.busy(11)  # a tick of FreeRTOS
    i2s.readinto(bytearray(512))
    assert i2s.dropped == 1


def test_callbacks_wait_while_c_code_runs_and_the_ninth_is_lost():
    chip, _, i2s = made()
    done = []
    buf = bytearray(512)
    i2s.irq(done.append)
    i2s.readinto(buf)
    chip.block(100)
    assert not done and any(buf)  # full, and nobody knows
    chip.busy(1)
    assert done == [i2s]
    i2s.readinto(buf)
    for _ in range(8):
        chip.schedule(lambda _: None, None)
    chip.block(100)
    chip.busy(100)
    assert len(done) == 1 and chip.callbacks_lost == 1


def test_a_callback_may_be_late():
    chip, _, i2s = made()
    done = []
    i2s.irq(lambda _: done.append(chip.us))
    chip.callback_late_ms = 200
    i2s.readinto(bytearray(512))
    chip.busy(1000)
    assert done and done[0] >= 216000, done


def test_while_nothing_is_queued_the_ring_bridges_and_then_runs_over():
    chip, _, i2s = made()
    i2s.irq(lambda _: None)
    first, second = bytearray(512), bytearray(5120)
    i2s.readinto(first)
    chip.busy(20)
    chip.busy(100)
    i2s.readinto(second)
    chip.busy(400)
    assert not gaps(samples(first + second))
    i2s.readinto(first)
    chip.busy(20)
    assert gaps(samples(second + first))


def test_the_queue_keeps_no_buffer_alive_and_the_task_writes_all_the_same():
    chip, _, i2s = made()
    i2s.irq(lambda _: None)

    def lend(depth):
        # Deep, so that no trace of it stays on the stack, which the collector searches, too.
        if depth:
            return lend(depth - 1)
        buf = bytearray(20000)
        i2s.readinto(buf)
        return uctypes.addressof(buf) | 1

    address = lend(40)
    gc.collect()
    others = [bytearray(20000) for _ in range(25)]
    places = [uctypes.addressof(b) for b in others]
    assert [p for p in places if p <= address < p + 20000], "someone kept the buffer alive"
    chip.busy(2000)
    assert any(any(b) for b in others)


def test_out_of_memory_at_opening_and_again_room_after_deinit():
    chip = Chip()
    chip.dma_free = 30000
    _, maker, i2s = made(20480, chip)
    more = dict(PINS, mode=1, bits=16, format=0, rate=16000, ibuf=20480)
    e = raises(OSError, lambda: maker(1, **more))
    assert e.errno == 12
    i2s.deinit()
    assert maker(1, **more).descriptors == 10


def test_the_same_id_ends_the_old_one_and_is_the_same_object():
    chip, maker, i2s = made()
    done = []
    buf = bytearray(3200)
    i2s.irq(done.append)
    i2s.readinto(buf)
    chip.busy(50)
    again = maker(0, ibuf=20480, mode=1, bits=16, format=0, rate=16000, **PINS)
    assert again is i2s
    chip.busy(1000)
    assert not done  # the buffer that was being filled never comes back


def test_deinit_leaves_a_callback_that_was_under_way_and_reading_after_it_fails():
    chip, _, i2s = made()
    done = []
    i2s.irq(done.append)
    i2s.readinto(bytearray(512))
    chip.block(100)
    i2s.deinit()
    chip.busy(1)
    assert done == [i2s]
    raises(Crash, i2s.readinto, bytearray(512))
    i2s.deinit()
    _, _, other = made()
    other.deinit()
    assert raises(OSError, other.readinto, bytearray(512)).errno == -0x102


def test_sizes_and_settings_that_the_port_refuses():
    _, maker, i2s = made()
    assert raises(OSError, i2s.readinto, bytearray(511)).errno == 22
    assert i2s.readinto(bytearray(0)) == 0
    raises(ValueError, i2s.irq, 1)
    raises(ValueError, lambda: made(bits=24))
    raises(ValueError, lambda: maker(2, ibuf=0, mode=1, bits=16, format=0, rate=1, **PINS))
    raises(TypeError, lambda: maker(0, mode=1, bits=16, format=0, rate=16000, **PINS))


def test_32_bits_and_stereo_have_the_sample_on_top_and_on_the_left():
    _, _, i2s = made(bits=32)
    buf = bytearray(16)
    i2s.readinto(buf)
    assert struct.unpack("<4i", buf) == (0, 1 << 16, 2 << 16, 3 << 16)
    _, _, i2s = made(format=1)
    i2s.readinto(buf)
    assert struct.unpack("<8h", buf) == (0, 0, 1, 0, 2, 0, 3, 0)


def test_recording_onto_flash_that_erases_loses_what_completes_meanwhile():
    for erase_ms, whole in ((10, True), (45, False)):
        chip, _, i2s = made()
        flash = TimedFlash(chip, 20, erase_ms)
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/timed")
        i2s = made(chip=chip)[2]
        values = ()
        with open("/timed/sound", "wb") as f:
            for _ in range(16):
                buf = bytearray(2048)
                i2s.readinto(buf)
                values += samples(buf)
                f.write(buf)
        vfs.umount("/timed")
        # No read was late: the ring never ran over by being full.
        assert (gaps(values) == []) == whole, gaps(values)
