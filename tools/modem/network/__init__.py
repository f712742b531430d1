"""Behind the modem: IPv4 relayed to the host, a name server, and what can be wrong."""

from .carrier import Carrier

__all__ = ["Carrier"]
