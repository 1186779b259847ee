"""A reviewer of documents: three agents read in parallel, an editor joins what they found."""
