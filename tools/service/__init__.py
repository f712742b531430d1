"""The service's contract, and a fleet behind its limits: `make service-test`."""
