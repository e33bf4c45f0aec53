"""The source: sites, their days, and the client that reads them."""
