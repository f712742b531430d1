"""The stand-ins for machine's resets, sleep and watchdog are no kinder than the port."""

from _support import raises
from chip import Asleep, Chip, Reset
from reset import Esp32, Machine, Pin


def test_reset_causes_are_mapped_as_the_port_does():
    for reason, cause in (
        ("POWERON", 1),
        ("BROWNOUT", 1),
        ("SW", 2),
        ("PANIC", 2),
        ("TASK_WDT", 3),
        ("INT_WDT", 3),
        ("DEEPSLEEP", 4),
        ("SDIO", 0),
    ):
        machine = Machine(Chip(), reason)
        assert machine.reset_cause() == cause, reason
    raises(SystemExit, machine.soft_reset)
    assert machine.reset_cause() == machine.SOFT_RESET


def test_an_armed_watchdog_bites_whatever_the_program_does():
    chip = Chip()
    machine = Machine(chip)
    dog = machine.WDT(timeout=10000)
    chip.busy(9000)
    dog.feed()
    chip.busy(9000)
    # A call that blocks is no excuse.
    assert raises(Reset, chip.block, 2000).reason == "TASK_WDT"
    assert chip.us == 19000000


def test_it_can_not_be_stopped_and_a_soft_reset_does_not_stop_it():
    chip = Chip()
    machine = Machine(chip)
    dog = machine.WDT(timeout=10000)
    for name in ("stop", "deinit", "disable"):
        assert not hasattr(dog, name)
    raises(SystemExit, machine.soft_reset)
    Machine(chip, "SW")  # the next program
    raises(Reset, chip.busy, 10000)


def test_it_can_be_armed_again_for_longer():
    chip = Chip()
    first = Machine(chip).WDT(timeout=10000)
    Machine(chip).WDT(timeout=60000)
    chip.busy(59000)
    first.feed()
    chip.busy(59000)
    raises(Reset, chip.busy, 1000)


def test_what_the_watchdog_refuses():
    machine = Machine(Chip())
    raises(ValueError, lambda: machine.WDT(id=1))
    raises(ValueError, lambda: machine.WDT(timeout=0))


def test_sleep_without_a_time_and_a_pin_is_for_ever():
    for args in ((), (0,)):
        e = raises(Asleep, Machine(Chip()).deepsleep, *args)
        assert e.ms is None and e.pin is None
    raises(TypeError, Machine(Chip()).deepsleep, None)
    assert raises(Asleep, Machine(Chip()).deepsleep, 5000).ms == 5000


def test_a_pin_wakes_it_if_it_can():
    chip = Chip()
    Pin.chip = chip
    raises(ValueError, Esp32(chip).wake_on_ext0, Pin(5), 0)
    Esp32(chip).wake_on_ext0(Pin(0), 0)
    e = raises(Asleep, Machine(chip).deepsleep)
    assert e.ms is None and e.pin == 0


def test_nothing_that_was_planned_happens_after_a_reset():
    chip = Chip()
    done = []
    chip.at(10, lambda: done.append(1))
    chip.schedule(done.append, 2)
    raises(Reset, Machine(chip).reset)
    chip.busy(1000)
    assert not done
