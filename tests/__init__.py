"""A package, since eventkit 1.0 installs one of the same name, which would go before a mere folder."""
