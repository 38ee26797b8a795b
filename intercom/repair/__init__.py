"""Owns taking in what people and programs did to the live log, and putting right what they broke."""
