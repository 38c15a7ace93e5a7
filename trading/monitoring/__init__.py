"""What the market does this second: ticks, metrics and conditions."""
