"""The generator behind the synthetic log: users, videos, sessions and feedback with known true probabilities."""
