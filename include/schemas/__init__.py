"""The contracts of raw tables, facts, metrics and marts, as Pandera models."""
