"""What happened: the closed set of public facts about a run, and their form on the wire. Pure."""
