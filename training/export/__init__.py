"""A network becomes the graph that is served: exported, quantised, narrowed, and raced against other engines."""
