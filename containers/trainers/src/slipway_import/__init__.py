"""Models that were trained elsewhere, read from files that may be made to do harm."""
