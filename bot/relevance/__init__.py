"""Which stories are about the same matter, and which hold the words of a search. Pure."""
