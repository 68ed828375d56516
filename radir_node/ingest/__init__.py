"""From a complete study to its vectors, tags and reasons: the indexing job."""
