"""What operations and sizes mean, in NumPy alone: the measure of everything else.

``operations.py`` has the table of operations, by families in the other files; ``dimensions.py`` the functions in
expressions of sizes. Nothing is imported before it is asked for: most compiled models need the latter only.
"""
