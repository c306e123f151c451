"""What reacts to events: an agent for each context that does."""
