"""Positives-only pairs of user and item by behaviour: prepared, sampled against unobserved items, and ranked."""
