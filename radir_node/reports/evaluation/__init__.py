"""The parser against human annotation: chest radiographs (Open-i), chest CT (CT-RATE), negation (NegEx)."""
