"""Where logs live: one file per backend, all under the same laws."""
