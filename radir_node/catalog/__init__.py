"""SQLAlchemy tables and queries over Postgres: the truth of the node. Nothing above this room speaks SQL."""
