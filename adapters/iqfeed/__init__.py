"""DTN IQFeed, through the IQConnect program."""
