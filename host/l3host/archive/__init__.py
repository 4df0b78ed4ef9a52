"""Archives: any number of recordings into one store, resumable, over processes or a Dask cluster."""
