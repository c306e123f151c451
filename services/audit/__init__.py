"""The auditor's desk: any moment, any cause, any edit."""
