"""Prefect's saved settings and secrets: which one, with which key."""
