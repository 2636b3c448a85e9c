"""tiprdc_fl: federated simulation of privacy-respecting feature collection (TIPRDC)."""
