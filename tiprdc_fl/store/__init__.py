"""What the contributors sent: payload codecs, the feature store, withdrawal."""
