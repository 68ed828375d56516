"""The pages and the JSON API. They reach the node through one Protocol (`ports`), which radir_node.node implements."""
