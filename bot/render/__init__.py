"""Jinja's home: stories to share sheets, and the templates of the chat and web surfaces."""

from __future__ import annotations

from bot.render.renderer import MAX_LISTED, Renderer

__all__ = ["MAX_LISTED", "Renderer"]
