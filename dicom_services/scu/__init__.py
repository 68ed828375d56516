"""The DICOM client: sends objects to peers, and asks whether they are there."""
