"""The base of nano: a tower that sees the synthetic world and words that tell what it saw."""
