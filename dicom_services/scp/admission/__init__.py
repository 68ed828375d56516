"""Who may associate: AE titles and addresses, certificates, user identities, how many at a time."""
