"""Learning coefficients over training, and how their settings are chosen."""
