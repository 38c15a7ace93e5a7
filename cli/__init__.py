"""The shell's face: starts flows, reads the ledger."""
