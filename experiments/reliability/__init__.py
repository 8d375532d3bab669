"""Does a sweep survive its machine? The campaign: kills, damages, inputs, disks, devices, numbers, statistics."""
