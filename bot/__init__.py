"""Sebar: a newsroom's share bot."""
