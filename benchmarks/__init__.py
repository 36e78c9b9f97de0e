"""How fast the system is, as ratios: every figure stands beside a baseline that was measured in the same run.

Nothing is asserted. `python -m benchmarks --help` says what can be chosen.
"""
