"""Structured Reports that the node writes."""
