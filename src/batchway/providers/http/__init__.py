"""HTTP to providers: sessions, transports, downloads, and what bounds them. No provider's words."""
