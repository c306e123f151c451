"""The auditor's desk: what happened, how it stood at any moment, and what made the difference."""
