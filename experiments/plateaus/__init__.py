"""Where losses stop, at which exact levels, and for how long."""
