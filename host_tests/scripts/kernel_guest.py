"""This machine's own kernel as the device: its TCP and UDP through a TUN device and over a lossy
line to the relay. Run in a network namespace: kernel_guest.py LOSS SCENARIO; prints what happened.
"""

import collections
import hashlib
import json
import random
import select
import selectors
import socket
import struct
import subprocess
import sys
import threading

from tools.modem.internet import Carrier
from tools.modem.internet.relay import Relay
from tools.modem.internet.tun import Tun

DATA = random.Random(5).randbytes(300_000)
carrier = Carrier()
there = threading.Event()


class Line:
    """Carries packets between the kernel and the relay, and loses, doubles and reorders them.

    As on a real line, nothing arrives while its sender is still sending: `arrive` delivers.
    """

    def __init__(self, loss):
        self.random = random.Random(3)
        self.loss = loss
        self.late = []
        self.on_its_way = collections.deque()

    def pass_on(self, packet, deliver):
        for _ in range(2 if self.random.random() < self.loss / 2 else 1):
            if self.random.random() < self.loss:
                continue
            if self.random.random() < self.loss:
                self.late.append((deliver, packet))  # after the next one
                continue
            self.on_its_way.append((deliver, packet))
            self.on_its_way.extend(self.late)
            self.late.clear()

    def arrive(self):
        while self.on_its_way:
            deliver, packet = self.on_its_way.popleft()
            deliver(packet)


def run(loss):
    line = Line(loss)
    selector = selectors.DefaultSelector()
    relay = Relay(lambda p: line.pass_on(p, tun.packet), carrier, selector)
    tun = Tun(lambda p: line.pass_on(p, relay.packet), carrier.address, carrier.gateway, selector)
    there.set()
    while True:
        for key, mask in selector.select(0.002):
            if selector.get_map().get(key.fd) is not None:
                key.data(mask)
        relay.tick()
        line.arrive()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def all_of(sock):
    data = b""
    while True:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


def server(serve):
    """A port of the loopback on which `serve(connection)` answers one connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    thread = threading.Thread(target=lambda: serve(listener.accept()[0]))
    thread.start()
    return listener.getsockname()[1], thread


def dial(port):
    return socket.create_connection((carrier.gateway, port), timeout=50)


def upload():
    """Sent, half-closed, and answered after that."""
    got = []

    def serve(connection):
        got.append(digest(all_of(connection)))
        connection.sendall(b"thanks")
        connection.close()

    port, thread = server(serve)
    with dial(port) as s:
        s.sendall(DATA)
        s.shutdown(socket.SHUT_WR)
        answer = all_of(s).decode()
    thread.join()
    return [got[0] == digest(DATA), answer]


def download():
    def serve(connection):
        connection.sendall(DATA)
        connection.close()

    port, thread = server(serve)
    with dial(port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # windows that shut
        whole = all_of(s) == DATA
    thread.join()
    return whole


def slow():
    """A host that does not read until all the buffers on the way are full."""
    go = threading.Event()
    got = []

    def serve(connection):
        go.wait()
        got.append(all_of(connection))

    port, thread = server(serve)
    with dial(port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        s.setblocking(False)
        sent = b""
        stuck = 0
        while stuck < 20:
            try:
                sent += DATA[: s.send(DATA)]
                stuck = 0
            except BlockingIOError:
                stuck += 1
                select.select([], [s], [], 0.05)
        s.setblocking(True)
        go.set()
        s.sendall(DATA)
    thread.join()
    return got[0] == sent + DATA


def refused():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    try:
        dial(port)
    except ConnectionRefusedError:
        return "refused"


def elsewhere():
    """An address that leads nowhere is refused, not left to time out."""
    try:
        socket.create_connection((carrier.dns[0], 80), timeout=20)
    except ConnectionRefusedError:
        return "refused"


def reset_by_host():
    def serve(connection):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    port, thread = server(serve)
    with dial(port) as s:
        s.sendall(b"x")
        try:
            s.recv(10)
        except ConnectionResetError:
            return "reset"
        finally:
            thread.join()


def reset_by_device():
    seen = []

    def serve(connection):
        try:
            seen.append(connection.recv(10) and connection.recv(10))
        except ConnectionResetError:
            seen.append("reset")

    port, thread = server(serve)
    s = dial(port)
    s.sendall(b"x")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    thread.join()
    return seen[0]


def udp():
    host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    host.bind(("127.0.0.1", 0))

    def serve():
        data, who = host.recvfrom(2000)
        host.sendto(data[::-1], who)

    threading.Thread(target=serve).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.sendto(b"datagram", (carrier.gateway, host.getsockname()[1]))
        return s.recvfrom(2000)[0].decode()


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
threading.Thread(target=run, args=(float(sys.argv[1]),), daemon=True).start()
there.wait()
subprocess.run(["ip", "route", "add", "default", "dev", "modem0"], check=True)
print(json.dumps(globals()[sys.argv[2]]()))
