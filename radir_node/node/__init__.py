"""The composition root: settings -> running collaborators. The only place that names concrete classes."""
