"""The figures of the design, measured: ``python -m benchmarks``, or ``make bench``.

Each module of :mod:`benchmarks.figures` measures one of them, both sides of a comparison by turns in one run, so that
the drift of the machine cancels. A median is compared with a goal; nothing here fails because a machine is slow.
"""
