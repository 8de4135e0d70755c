"""Sliders in a browser: a page on this machine that shows what directions do (extra: explore)."""
