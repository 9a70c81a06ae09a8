"""Our answers beside those of the pipeline that transformers 5.3 removed; `make agreement`."""
