"""The plateau detector: the noise of a curve, its straight pieces, and the level windows of its trend."""
