"""Where reports come from: one module per layout, all behind radir_node.learning.annotate.source.ReportSource."""
