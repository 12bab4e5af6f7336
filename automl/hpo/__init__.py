"""Every decision of the search: what to try, which trial advances, what to confirm."""
