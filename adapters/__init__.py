"""How one outside system does it: vendor and role."""
