"""What ``make bench`` measures, one file a table: each has ``measure`` (plain data) and ``table`` (that, printed)."""
