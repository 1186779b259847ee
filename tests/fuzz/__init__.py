"""What a search that watches the code finds in whatever takes bytes from outside."""
