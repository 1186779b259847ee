"""Figures that are measured in a browser."""
