"""Exact bounds beside trained runs."""
