"""The DICOM server: verification, storage, query and retrieve."""
