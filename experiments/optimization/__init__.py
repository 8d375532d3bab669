"""What changes with optimiser, size and initial weights."""
