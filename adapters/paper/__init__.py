"""The paper broker: an exchange and an account in a database, filled from daily bars."""
