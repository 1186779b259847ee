"""What can be counted about runs and readers, folded from events."""
