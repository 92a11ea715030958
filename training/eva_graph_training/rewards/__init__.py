"""Rewards of a finished rollout: what may be looked at, the terms, and TRL's functions."""
