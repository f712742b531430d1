"""Inner loops: as machine code where the chip takes it, as bytecode where it does not."""


def load(name, emit=None):
    """The module `recorders.<name>_viper`, or `recorders.<name>_plain`, which gives the same
    results and is some hundred times slower.

    The plain one is loaded, and `emit("plain_code", module=, reason=)` called, if the native
    file is not there, was compiled for another kind of chip (ValueError) or comes as source to
    a port without a native emitter (SyntaxError), or if there is no executable memory.
    Native code is freed by a reset only: call it once for each module and keep what it gives.
    """
    try:
        return module(name + "_viper")
    except (ImportError, MemoryError, SyntaxError, ValueError) as e:
        if emit:
            emit("plain_code", module=name, reason=str(e) or type(e).__name__)
    return module(name + "_plain")


def module(name):
    """The module `recorders.<name>`, of one kind or the other. Raises what importing raises."""
    return __import__("recorders." + name, None, None, (name,))
