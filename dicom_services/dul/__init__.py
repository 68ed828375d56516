"""The DICOM Upper Layer (PS3.8): connections with deadlines, PDUs with limits, negotiation, associations."""
