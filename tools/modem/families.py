"""The modem families: what each has of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What a family has of its own.

    `ready`: what it says once booted; `boot_s`; `on_s` and `off_s`: how long the key must be
    pressed; `off`: its power-down command and what that is answered with; `own`: commands of
    its own that are answered with OK.
    """

    model: str
    ready: tuple
    boot_s: float
    on_s: float
    off_s: float
    off: str
    off_says: str
    own: str = r"\+(CNMP|CMNB|QCFG)=.*"


# RDY, +CFUN: 1, SMS DONE, PB DONE: SIMCom's and Quectel's AT command manuals, "summary of
# URC"; NORMAL POWER DOWN: SIMCom, POWERED DOWN: Quectel. Times: see firmware/uploader/links.
FAMILIES = {
    "sim7600": Family(
        "SIM7600G-H", ("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"), 11, 0.3, 2.5, "+CPOF", ""
    ),
    "a7670": Family(
        "A7670E-LASE",
        ("*ATREADY: 1", "+CPIN: READY", "SMS DONE", "PB DONE"),
        8,
        0.1,
        2.5,
        "+CPOF",
        "",
    ),
    "sim7670": Family(
        "SIM7670G-MNGV", ("*ATREADY: 1", "+CPIN: READY", "PB DONE"), 8, 0.1, 2.5, "+CPOF", ""
    ),
    "sim7000": Family(
        "SIM7000G",
        ("RDY", "+CFUN: 1", "+CPIN: READY", "SMS Ready"),
        5,
        1.0,
        1.2,
        "+CPOWD=1",
        "NORMAL POWER DOWN",
    ),
    "sim7080": Family(
        "SIM7080G",
        ("RDY", "+CFUN: 1", "+CPIN: READY", "SMS Ready"),
        5,
        1.0,
        1.2,
        "+CPOWD=1",
        "NORMAL POWER DOWN",
    ),
    "ec25": Family(
        "EC25", ("RDY", "+CFUN: 1", "+CPIN: READY"), 10, 0.5, 0.65, "+QPOWD=1", "POWERED DOWN"
    ),
    "bg95": Family(
        "BG95-M3", ("RDY", "APP RDY", "+CPIN: READY"), 5, 0.5, 0.65, "+QPOWD=1", "POWERED DOWN"
    ),
}
