"""How the hub reaches outside systems; knows nothing of `hub`."""
