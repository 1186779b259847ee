"""The ground floor: errors, time and ids. Imports nothing of Riverrun."""
