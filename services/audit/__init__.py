"""The auditor's desk: who was erased, who looked, and what the log can prove."""
