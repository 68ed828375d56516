"""The DICOM Message Service Element (PS3.7): command sets, messages, status codes."""
