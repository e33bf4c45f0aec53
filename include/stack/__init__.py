"""The services of the profile `trino`: run on this machine without containers, and the secrets of those."""
