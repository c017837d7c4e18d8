"""Words, in a package of their own."""
