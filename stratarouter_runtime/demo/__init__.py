"""The help desk of ``stratarouter demo``: routes, labelled messages, orders and real handlers."""
