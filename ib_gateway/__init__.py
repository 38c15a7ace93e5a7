"""A simulator of IB Gateway: it speaks the TWS wire protocol, and unmodified client libraries trade through it."""
