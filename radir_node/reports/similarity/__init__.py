"""How alike two reports are, overall or at one anatomy: RaTEScore over the parser's tags (method spec 4.2)."""
