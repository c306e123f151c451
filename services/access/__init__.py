"""Who gets in: users and their sessions, programs and their keys, and sign-in by other providers."""
