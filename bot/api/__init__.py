"""REST under /sfp/api: each operation is declared once, and answers by the contract."""
