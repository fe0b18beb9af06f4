"""Numbered steps of the schema, as neutral SQL that both drivers run unchanged."""
