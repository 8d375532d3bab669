"""What changes with the format of the task: answer order, positions, lengths, other sequence tasks."""
