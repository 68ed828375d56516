"""The pages and the JSON API. They reach the node through one Protocol (`ports`); the composition root implements it."""
