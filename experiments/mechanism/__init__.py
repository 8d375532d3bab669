"""How a trained run does it: ablation, probes, circuits, edges."""
