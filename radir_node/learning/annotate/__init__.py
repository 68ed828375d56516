"""Similarity annotation as RadIR's training reads it: reports to matrices, one per anatomy node (method spec 4.4)."""
