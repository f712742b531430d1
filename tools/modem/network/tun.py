"""The device's IPv4 into a TUN device, so that it is a host on this machine's network: needs
root, or a network namespace of one's own (`unshare --user --map-root-user --net`)."""

import fcntl
import os
import selectors
import socket
import struct

from . import packets

# linux/if_tun.h and linux/sockios.h
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 1, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFDSTADDR = 0x8916, 0x8918
_IFF_UP = 1


class Tun:
    """A TUN device with `local` on this side and `remote` beyond it; as a Relay otherwise.

    Raises OSError where it is not allowed.
    """

    def __init__(self, send, local, remote, selector):
        self._send = send
        self._selector = selector
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            request = struct.pack("16sH", b"modem%d", _IFF_TUN | _IFF_NO_PI)
            named = fcntl.ioctl(self._fd, _TUNSETIFF, request.ljust(40, b"\0"))
            self.name = named[:16].rstrip(b"\0").decode()
            self._configure(local, remote)
        except OSError:
            os.close(self._fd)
            raise
        selector.register(self._fd, selectors.EVENT_READ, self._readable)

    def _configure(self, local, remote):
        name = self.name.encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for request, address in ((_SIOCSIFADDR, local), (_SIOCSIFDSTADDR, remote)):
                family = struct.pack("HH", socket.AF_INET, 0) + socket.inet_aton(address)
                fcntl.ioctl(s, request, struct.pack("16s24s", name, family))
            flags = fcntl.ioctl(s, _SIOCGIFFLAGS, struct.pack("16s24x", name))
            (flags,) = struct.unpack("16xH", flags[:18])
            fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | _IFF_UP))

    def packet(self, data: bytes):
        """One packet from the device."""
        try:
            packets.unpack_ip(data)
            os.write(self._fd, data)
        except (OSError, ValueError):
            pass  # damaged, or the device is full: IP may lose it

    def _readable(self, _):
        try:
            self._send(os.read(self._fd, 2048))
        except BlockingIOError:
            pass

    def tick(self):
        """Nothing to time."""

    def close(self):
        """The device goes with its file."""
        self._selector.unregister(self._fd)
        os.close(self._fd)
