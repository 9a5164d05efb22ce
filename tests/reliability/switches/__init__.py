"""Protections that a test may switch off in running processes, to see that the checker then finds what they prevent."""
