"""Buckets: what is true of files in any vendor's store of objects, below the vendors.

    addresses        `gs://bucket/name`, `s3://bucket/name`
    calls            obstore in threads, and what its errors stand for
    checksums        what a file sums up to, as its store says it
    objects          what lies in a bucket: names, sizes, checksums, and the end of them
    transfer         bytes: sent in parts and checked, read in ranges and gone on with
    known_buckets    whether a bucket will do, before anything is brought to it
    job_files        a job's files: PREFIX/TAG/input.jsonl, and its results, in order
    archived_rows    rows of results as OpenAI's lines
    archived_files   files by their addresses, for the pass-through

What a vendor provides:

    Names            how its addresses are written: scheme, form of a bucket's name, longest name
    Service          its title in sentences, how it sums objects up (`ETAGS` for S3),
                     `connect(bucket)` to an obstore store, `ready()` where credentials may be
                     missing, and their secrets
    ReadStoreRefusal what a refusal in XML means and advises: `(bucket, Refusal) -> Said`
    Objects          where obstore does not do (Cloud Storage: checksums, odd names); else
                     `StoreObjects`, with a `location` of its own where there is a way to know it
    Reaches          whether jobs in a region can use a bucket at a location
    Layout           where its jobs have their folders (`home`), which names are no results
    Archived         which directory is a job's results, its rows and their dialect

ADR 0030 tells why it is cut so.
"""
