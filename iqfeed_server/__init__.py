"""A loopback server that speaks IQFeed's line protocol 6.2, of a market that it makes up; nothing in it is DTN's."""
