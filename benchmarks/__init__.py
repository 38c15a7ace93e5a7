"""Measurements of the desk: how long a session takes, an order, a bar; `python -m benchmarks` runs them."""
