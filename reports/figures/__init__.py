"""Figures: an ``*_info()`` that computes a small tuple, and ``*_svg()`` or ``*_figure()`` that only draw it."""
