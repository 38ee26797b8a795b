"""Owns the MCP tools, a module for each kind: messages, tasks, workers."""
