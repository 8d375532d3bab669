"""Modular arithmetic and groups."""
