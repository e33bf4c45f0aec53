"""The lakehouse: how Nightscout documents become tables; see docs/ for the map of these folders."""
