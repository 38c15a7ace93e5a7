"""Instruments, calendars, bars, adjustments and bar checks."""
