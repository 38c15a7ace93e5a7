"""One process that dies again and again: the order path under seeded faults and kills, in virtual time."""
