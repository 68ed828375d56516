"""FAISS partitions over the catalogue's vectors: a cache that can always be rebuilt, swapped atomically, and checked."""
