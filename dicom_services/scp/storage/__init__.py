"""The store path: from the pieces of a data set to a durable object, and on into the catalogue."""
