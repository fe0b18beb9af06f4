"""Flow: stories are indexed as they come in, related to each other, and searched.

Nothing here is in the way of a delivery: it runs in small steps, and what computes does so on a
thread. A reader's question first indexes what has just come in, so that it sees every story.
"""

from bot.relating.related import find_links, relate_due, relate_gently, related_of
from bot.relating.searching import Found, search

__all__ = ["Found", "find_links", "relate_due", "relate_gently", "related_of", "search"]
