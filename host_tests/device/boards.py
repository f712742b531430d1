"""Every board's file, with a stand-in for the machine: what it wires to which pin."""

import os
import sys

from _support import folder
from sdcard import SDCardMaker, Socket

from uploader import memory
from uploader.clock import FLOOR, Clock
from uploader.settings import Settings

BOARDS = __file__.rsplit("/", 1)[0] + "/../../boards"


class Machine:
    """Notes what is asked of it."""

    def __init__(self):
        self.used = []
        self.pins = {}
        machine = self

        class Pin:
            OUT = 1

            def __init__(self, number, mode=None, value=None):
                self.number = number
                if mode is not None:
                    machine.pins[number] = value

            def value(self, v):
                machine.pins[self.number] = v

        class ADC:
            ATTN_11DB = 3

            def __init__(self, pin, atten):
                machine.used.append(pin.number)

            def read_uv(self):
                return 1900000

        class UART:
            def __init__(self, number, baud, tx, rx, **more):
                machine.used += [tx, rx]

        class I2C:
            def __init__(self, number, sda, scl):
                self.registers = {0x84: 0x80, 0x80: 1, 0x94: 0xE0, 0x90: 0, 0x30: 3}
                self.registers.update({0x04: 87, 0xA4: 64})
                machine.i2c = self

            def readfrom_mem(self, address, register, n):
                return bytes([self.registers[register]] + [0] * (n - 1))

            def writeto_mem(self, address, register, data):
                self.registers[register] = data[0]

        def card(**pins):
            machine.card = pins
            return SDCardMaker(Socket())(**pins)

        self.Pin, self.ADC, self.UART, self.I2C, self.SDCard = Pin, ADC, UART, I2C, card


def load(name):
    machine = Machine()
    sys.modules["machine"] = machine
    for module in ("board", "recorders.parts"):
        sys.modules.pop(module, None)
    sys.path.insert(0, BOARDS + "/" + name)
    try:
        return __import__("board"), machine
    finally:
        sys.path.pop(0)


def settings(**changes):
    values = {"wifi": [{"ssid": "x"}]}
    values["apn"] = "internet"
    values.update({"apn_auth": "none", "sim_pin": "", "state": folder()})
    values.update(changes)
    return Settings(values)


def wired(board):
    """The Pins of a board's modem."""
    (_, cellular) = board.links(settings(), Clock(lambda: FLOOR), None)
    return cellular.modem.pins


def boards():
    return sorted(n for n in os.listdir(BOARDS) if n != "unix" and "." not in n)


def test_every_board_has_what_main_needs():
    clock = Clock(lambda: FLOOR)
    assert len(boards()) >= 6
    for name in boards():
        board, machine = load(name)
        for what in ("NAME", "STORAGE", "LED_PIN", "BUTTON_PIN", "MICROPHONE", "CAMERA", "mount"):
            assert hasattr(board, what), (name, what)
        level = board.battery() if board.battery else None
        assert level is None or 0 <= level <= 100
        found = [link.name for link in board.links(settings(), clock, None)]
        has_modem = getattr(board, "MODEM", False)
        assert found == (["wifi", "cellular"] if has_modem else ["wifi"]), (name, found)
        assert board.links(settings(wifi=[], apn=""), clock, None) == []


async def test_where_memory_is_short_a_modems_code_is_there_once_it_is_wanted():
    roomy = memory.roomy
    memory.roomy = lambda: False
    code = "uploader.links.cellular"
    try:
        board, machine = load("lilygo_t_a7670")
        memory.forget(code)
        (_, cellular) = board.links(settings(), Clock(lambda: FLOOR), None)
    finally:
        memory.roomy = roomy
    assert cellular.name == "cellular" and cellular.metered and not cellular.is_up()
    assert not cellular.roaming() and cellular.signal_dbm() is None
    assert getattr(cellular, "operator", "none yet") == "none yet"
    assert code not in sys.modules and 26 not in machine.used
    try:
        await cellular.down()  # it may be on from a boot before
        raise Exception("the UART here can nothing")
    except AttributeError:
        pass
    assert code in sys.modules and {26, 27} <= set(machine.used)
    assert cellular.modem.pins and cellular.operator is None


def test_no_pin_is_used_twice():
    for name in boards():
        board, machine = load(name)
        board.links(settings(), Clock(lambda: FLOOR), None)
        if board.mount:
            try:
                board.mount()
            except Exception:
                pass
            for key in machine.card:
                if key in ("sck", "cmd", "miso", "mosi", "cs"):
                    machine.used.append(machine.card[key])
                elif key == "data":
                    machine.used += list(machine.card[key])
        pins = machine.used + list(machine.pins)
        pins += [board.LED_PIN] if board.LED_PIN is not None else []
        pins += [board.BUTTON_PIN] if board.BUTTON_PIN is not None else []
        if board.MICROPHONE:
            pins += [board.MICROPHONE[k] for k in ("sck", "ws", "sd")]
        assert len(set(pins)) == len(pins) or board.LED_PIN in machine.pins, (name, pins)


def test_the_pmu_powers_the_modem_at_3_volts_and_the_card():
    board, machine = load("lilygo_t_sim7080g_s3")
    registers = machine.i2c.registers
    assert registers[0x30] == 1 and registers[0x90] == 4 and registers[0x94] == 0xE0 | 28
    power = wired(board).power
    power(True)
    assert registers[0x84] == 0x80 | 102 and registers[0x80] == 5
    power(False)
    assert registers[0x80] == 1 and board.battery() == 64


def test_keys_and_power_are_off_until_wanted():
    board, machine = load("lilygo_t_a7670")
    pins = wired(board)
    assert (machine.pins[4], machine.pins[5], machine.pins[12]) == (0, 0, 0)
    pins.power(True)
    pins.key(True)
    assert (machine.pins[4], machine.pins[12]) == (1, 1)


def test_a_cell_is_read_in_percent_and_usb_is_not_a_cell():
    load("esp32_generic")
    from recorders.cell import percent_of

    for mv, percent in ((4200, 100), (4150, 100), (3870, 65), (3600, 10), (3300, 0), (3000, 0)):
        assert percent_of(mv) == percent
    for mv in range(3000, 4300, 7):
        assert percent_of(mv) <= percent_of(mv + 7)


def test_boards_that_know_it_tell_that_they_are_charged():
    board, machine = load("lilygo_t_sim7080g_s3")
    for status, charged in (
        (0b00100000, True),
        (0b00111111, True),
        (0b01000000, False),
        (0, False),
    ):
        machine.i2c.registers[0x01] = status
        assert board.charging() is charged, status
    board, machine = load("waveshare_esp32_s3_sim7670g")
    rate = [0]

    class Gauge:
        def __init__(self, *pins, **more):
            pass

        def readfrom_mem(self, address, register, size):
            return bytes([rate[0] >> 8, rate[0] & 255])

    machine.I2C = Gauge
    for rate[0], charged in (
        (0, False),
        (4, False),
        (5, True),
        (0x7FFF, True),
        (0x8000, False),
        (0xFFF0, False),
    ):
        assert board.charging() is charged, rate
