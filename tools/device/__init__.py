"""`make flash deploy provision status doctor level logs pull repl`: through mpremote."""
