"""Owns what is known of each MCP client that an agent may use: one module per client, and their list."""
