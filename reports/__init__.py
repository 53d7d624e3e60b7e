"""Renderers of a finished run; each is found through the entry-point group ``evenhand.reports``."""
