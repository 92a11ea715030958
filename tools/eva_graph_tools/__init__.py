"""Typed video tools: exact frames, their references, and what they cost in visual tokens."""
