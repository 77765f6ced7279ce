"""Faults, one file per kind."""
