"""The report: one self-contained page a site, drawn from the published marts."""
