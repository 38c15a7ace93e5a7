"""Strategies: point-in-time bars in, target weights out."""
