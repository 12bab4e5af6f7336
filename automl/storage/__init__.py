"""What stays on disk: layout, atomic files, retry on outage, journal, registry, job and curve files."""
