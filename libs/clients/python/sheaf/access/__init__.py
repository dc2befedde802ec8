"""Who may call what: options of the contract, generated from proto/."""
