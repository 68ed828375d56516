"""Messages about studies and objects: storage commitment, procedure steps, availability."""
