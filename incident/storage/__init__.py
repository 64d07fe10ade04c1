"""Storage behind two ports: a surveyor gets an ``ObjectReader``, only the executor gets an ``ObjectStore``."""
