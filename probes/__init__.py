"""Instruments that touch a model; each is found through the entry-point group ``evenhand.probes``."""
