"""The pure core: values, buckets, keys, fingerprint, item kinds, rules, cost model and planner; no I/O."""
