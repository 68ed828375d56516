"""C-MOVE and C-GET: what to deliver, to whom, and where from."""
