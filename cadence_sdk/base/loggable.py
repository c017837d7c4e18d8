"""A logger for every class that wants one."""

import functools
import logging


class Loggable:
    """Gives a class the ``logger`` named after it: ``self.logger.info("…")``.

    The logger is made when it is first used, so it is there even in a subclass that never calls
    ``super().__init__()``, and a subclass may assign one of its own.
    """

    @functools.cached_property
    def logger(self) -> logging.Logger:
        """The logger, named after the module and class."""
        return logging.getLogger(f"{type(self).__module__}.{type(self).__qualname__}")
