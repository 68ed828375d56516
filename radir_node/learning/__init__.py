"""Training, export and evaluation of the starter encoders. Nothing here is imported by a running service."""
