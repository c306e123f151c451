"""Who gets in: sign-in, sessions, API keys, roles. `composition.Access` is what a process makes of it."""
