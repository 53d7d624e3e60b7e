"""Figures: ``*_info()`` computes a small tuple, ``*_svg()`` and ``*_figure()`` only draw it."""
