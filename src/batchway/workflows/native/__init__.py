"""Native execution: shards as jobs of the providers' own batch APIs."""
