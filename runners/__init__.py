"""Entry points: python -m runners.NAME."""
