"""The stand-in for network.PPP against ports/esp32/network_ppp.c at v1.26.1, line by line, on a
wire to the network's end."""

import asyncio
import sys

HERE = sys.path[0]
sys.path.append(HERE + "/../../tools/modem")
sys.path.append(HERE + "/../../tools/modem/mpy")

from _support import raises
from ppp.peer import Peer
from ppp_standin import PPP


class Carrier:
    address = "10.0.0.2"
    gateway = "10.0.0.1"
    dns = ("10.0.0.3", "0.0.0.0")
    auth = None
    ppp = ipcp = True
    ipv6cp = mute_at_end = False


class Wire:
    """A UART with the network at its other end; `seconds` pass as the test says."""

    IRQ_RXIDLE = 0x1000

    def __init__(self, **carrier):
        self.seconds = 0
        self.handler = None
        self.carrier = Carrier()
        for name in carrier:
            setattr(self.carrier, name, carrier[name])
        self.out = b""
        self.to_board = b""
        self.peer = Peer(self._to_board, self.now, self, self.carrier)
        self.peer.start()

    def _to_board(self, data):
        self.to_board += data

    def now(self):
        return self.seconds

    def read(self, n):
        data, self.to_board = self.to_board[:n], self.to_board[n:]
        return data or None

    def write(self, data):
        self.out += data
        return len(data)

    def irq(self, handler=None, trigger=0):
        self.handler = handler

    def crash(self, why):
        raise SystemExit(why)

    def up(self):
        pass

    def down(self):
        pass

    def ended(self, reason):
        pass

    async def run(self, seconds):
        end = self.seconds + seconds
        while self.seconds < end:
            out, self.out = self.out, b""
            self.peer.receive(out)
            self.peer.tick()
            if self.to_board and self.handler:
                self.handler(self)
            await asyncio.sleep_ms(6)
            self.seconds += 0.25


async def test_ppp_connects_and_names_addresses_as_the_port_orders_them():
    wire = Wire()
    ppp = PPP(wire)
    assert ppp.status() == 0 and ppp.ifconfig() == (None, None, None, None)
    raises(ValueError, ppp.ipconfig, "addr4")
    ppp.connect()
    assert ppp.status() == 3 and not ppp.isconnected() and ppp.ifconfig()[0] == "0.0.0.0"
    await wire.run(2)
    assert ppp.status() == 4 and ppp.isconnected() and ppp.active()
    assert ppp.ifconfig() == ("10.0.0.2", "10.0.0.1", "255.255.255.255", "10.0.0.3")
    assert ppp.ipconfig("addr4") == ("10.0.0.2", "255.255.255.255")
    assert ppp.ipconfig("gw4") == "10.0.0.1"
    assert ppp.config("stream") is wire


async def test_ppp_refuses_what_the_port_refuses():
    wire = Wire()
    raises(OSError, PPP, object())
    ppp = PPP(wire)
    raises(TypeError, ppp.connect, 1)
    raises(ValueError, lambda: ppp.connect(security=3))
    raises(TypeError, lambda: ppp.connect(security=PPP.SEC_PAP))
    ppp.connect()
    e = raises(OSError, ppp.connect)
    assert e.errno == 114
    raises(ValueError, ppp.ipconfig, "dns")
    raises(TypeError, lambda: ppp.ipconfig(addr4=("1.2.3.4", 8)))
    raises(TypeError, ppp.config)
    raises(ValueError, ppp.config, "name")


async def test_ppp_stays_connected_without_an_address_when_ipcp_ends():
    wire = Wire()
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(2)
    wire.peer.end_ipcp()
    await wire.run(2)
    assert ppp.isconnected() and ppp.ifconfig()[0] == "0.0.0.0"
    await wire.run(20)
    assert not ppp.isconnected() and ppp.status() == -6


async def test_ppp_tells_a_wrong_password_by_its_status():
    wire = Wire(auth=("chap", "me", "secret"))
    ppp = PPP(wire)
    ppp.connect(security=PPP.SEC_CHAP, user="me", key="wrong")
    await wire.run(20)
    assert ppp.status() == -7 and not ppp.isconnected()


async def test_ppp_reads_nothing_while_anything_blocks():
    wire = Wire()
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(0.25)  # from here on nobody runs the scheduler
    for _ in range(20):
        out, wire.out = wire.out, b""
        wire.peer.receive(out)
    assert wire.to_board and not ppp.isconnected()
    await wire.run(2)
    assert ppp.isconnected()


async def test_ppp_that_is_not_answered_ends_after_two_timeouts_and_reads_till_then():
    wire = Wire(mute_at_end=True)
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(2)
    ppp.disconnect()
    await wire.run(11)
    assert ppp.isconnected() and wire.handler
    await wire.run(3)
    assert ppp.status() == 0 and wire.handler is None


async def test_ppp_without_its_stream_leaves_the_line_alone():
    wire = Wire(ppp=False)
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(1)
    ppp.disconnect()
    assert not ppp.isconnected() and ppp.active()
    wire.to_board = b"\r\nOK\r\n"
    await wire.run(1)
    assert not wire.to_board  # it reads what was meant for another
    ppp.config(stream=None)
    wire.to_board = b"\r\nOK\r\n"
    await wire.run(20)
    assert wire.to_board == b"\r\nOK\r\n" and ppp.status() == 0


async def test_ppp_whose_end_was_not_answered_takes_the_stack_with_it():
    wire = Wire(mute_at_end=True)
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(2)
    ppp.active(False)
    assert not ppp.isconnected() and ppp.status() == 0
    wire = Wire(mute_at_end=True)
    ppp = PPP(wire)
    ppp.connect()
    await wire.run(2)
    ppp.disconnect()
    await wire.run(14)
    raises(SystemExit, PPP(wire).connect)


async def test_ppp_that_is_freed_while_it_negotiates_crashes_the_board():
    wire = Wire(ppp=False)
    ppp = PPP(wire)
    ppp.connect()
    ppp.active(False)
    crashes = []
    wire.crash = crashes.append
    await wire.run(14)
    assert len(crashes) == 1 and ppp.status() == 0
