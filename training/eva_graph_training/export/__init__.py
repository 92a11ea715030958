"""Recorded runs as training rows, one form for each consumer; `eva-graph export` writes them."""
