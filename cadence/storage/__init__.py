"""What lasts: the index (one SQLite file) and the store (the folders and archives of the plugins).

``database`` opens the file, ``migrations`` says how it came to look as it does, ``versions``, ``installs`` and
``servers`` hold the SQL of one subject each, and ``index`` joins them. ``store`` and ``tree`` are the files.
``publication`` changes both together, in the one order in which nothing half-done can be seen, and ``recovery``
finishes what a killed process began. ``locks`` and ``owners`` say who is at work, across processes.
"""
