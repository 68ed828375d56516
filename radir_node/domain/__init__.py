"""Plain frozen values that every room may use: no I/O, nothing but the standard library and numpy."""
