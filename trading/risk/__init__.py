"""Limits, and the one gate that applies them."""
