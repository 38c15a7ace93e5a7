"""Positions and lots, and the sizing of orders."""
