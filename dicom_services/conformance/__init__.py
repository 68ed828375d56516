"""The DICOM Conformance Statement, written from the tables and settings that the server runs on."""
