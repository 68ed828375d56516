"""`make demo`: the whole main job on a generated archive, or on a folder of your own."""
