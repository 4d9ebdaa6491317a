"""What the end-to-end tests stand on: a place to run in, the daemon, servers, clients, certificates."""
