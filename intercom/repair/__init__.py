"""Owns taking in what people and programs did to the page, and repairing what they broke."""
