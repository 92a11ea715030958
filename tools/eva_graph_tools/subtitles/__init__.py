"""Subtitles: files beside a video and tracks inside it, as lines on the video's own clock.

All of it is written by strangers. Lines reach a policy without styling, control characters or
anything that could be taken for a tag of its dialect, and bounded in length and number.
"""
