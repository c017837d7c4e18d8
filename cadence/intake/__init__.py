"""Bytes and files: what comes in is received, unpacked and read here. No Flask, no SQL, and no plugin code runs."""
