"""Comparing methods honestly on one prepared folder: what to run, running it, and reading what came out."""
