"""The shortest program for each use of the package; every file runs by itself."""
