"""What is kept: the spool that survives the process, and the database behind it."""
