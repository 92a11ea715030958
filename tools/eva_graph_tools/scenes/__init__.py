"""Scenes of a video, found by the cheapest look that tells."""
