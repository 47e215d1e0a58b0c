"""The race against other engines, the networks it is run on, and the demonstration. Not part of the wheel."""
