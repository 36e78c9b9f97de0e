"""The models' makers, each behind the one port."""
