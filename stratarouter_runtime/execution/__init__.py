"""Carrying out: deadlines, threads, handlers, bindings."""
