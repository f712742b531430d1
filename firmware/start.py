"""Making a device at its boot: loaded for that."""

from running import RESETS

from uploader import memory
from uploader.clock import unix_time
from uploader.errors import ConfigError, StorageError

CONFIG = "/config.json"


def make(kind):
    """Make the device, an App or a Sender, or None with a line that says what is missing, or that
    it is in a boot loop which leaving out the uploads did not end."""
    import board
    import machine
    import power

    from uploader import load_config

    try:
        boot = power.begin(board, unix_time())
        memory.forget("power")
        if boot["resets"] >= 2 * RESETS:
            print("boot_loop resets=%d state=repl: power off and on, or" % boot["resets"])
            print("import power; power.go_on(), and a reset")
            return None
        settings = load_config(CONFIG, boot["pin"])
        return kind(board, settings, None, lambda ms: machine.WDT(timeout=ms), boot)
    except ConfigError as e:
        print("not provisioned: %s" % e)
    except StorageError as e:
        print("no storage: %s" % e)
    return None
