"""The steps of the walk: one verb, one file, one public function each."""
