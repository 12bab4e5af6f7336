"""The programs: command line and HTTP service."""
