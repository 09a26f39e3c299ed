"""Where state lives: the ledger (SQL), its migrations, and the blob stores."""
