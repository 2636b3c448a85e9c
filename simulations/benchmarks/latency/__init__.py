"""What extraction takes: measured on this host, and modelled for classes of devices."""
