"""Orders, their states and executions, in the terms of FIX."""
