"""The core of evenhand: suites, alignment, differences, statistics, verdicts. Never touches a model."""
