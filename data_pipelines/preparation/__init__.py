"""The steps of preparation, one concept a file, and `prepare_table`, which runs them in order."""
