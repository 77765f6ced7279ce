"""The scorers: semantic, keyword, pattern, and their combination."""
