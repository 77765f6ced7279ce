"""Accounts: what was spent, what may be spent, and by whom."""
