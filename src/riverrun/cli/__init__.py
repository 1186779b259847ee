"""The command `riverrun`: people in front of a terminal, and scripts."""
