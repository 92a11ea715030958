"""Turns recorded trajectories into SFT, KTO and GRPO runs with TRL."""
