"""Where entries come from: feeds and article pages over HTTP."""
