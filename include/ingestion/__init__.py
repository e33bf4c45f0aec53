"""From a site's answers to rows in raw tables: stage, validate, merge."""
