"""Named, runnable studies: a sweep of run(config), one file per study."""
