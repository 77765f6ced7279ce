"""Pure kernels: arrays and texts in, arrays out; no clock, log or I/O. Not promised stable."""
