"""Cutting ranges out of a video file: by stream copy, or exactly by encoding again."""
