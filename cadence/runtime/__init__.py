"""Processes: the zygote, the workers it forks, and which of them answers for a plugin now."""
