"""What is known of each MCP client that an agent may sit in: a module a client, and the list of them."""
