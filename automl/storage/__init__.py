"""Files on disk: layout, atomic writes, retry on outage, journal, registry, job and curve files."""
