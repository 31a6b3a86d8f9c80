"""Python's side of the native media core."""
