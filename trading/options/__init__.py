"""Options: chains and their rules, implied volatilities and Greeks."""
