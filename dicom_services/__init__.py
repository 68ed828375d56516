"""Everything that speaks DICOM: server, client, objects, Structured Reports. It knows the domain, and no database."""
