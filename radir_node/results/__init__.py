"""Renderings of the one result model that are not DICOM: for the terminal and as JSON."""
