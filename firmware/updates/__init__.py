"""Updates of what a device runs: loaded while one is under way or on trial, and forgotten after."""
