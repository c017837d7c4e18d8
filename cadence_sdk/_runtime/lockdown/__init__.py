"""How a worker confines itself, enforced by the kernel: see :mod:`cadence_sdk._runtime.lockdown.confinement`."""
