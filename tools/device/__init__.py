"""`make flash deploy provision status logs pull repl`: a device over USB, through mpremote."""
