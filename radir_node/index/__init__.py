"""FAISS partitions over the catalogue's vectors: a cache that is swapped atomically, checked, and rebuilt at will."""
