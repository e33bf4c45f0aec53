"""The lake: branches, tables and versions, behind one interface for both profiles."""
