"""The HTTP parts that commands and queries share: a leaf, which imports nothing of ours."""
