"""The composition root: the only place that names concrete classes and joins them.

    parts        clock, ids, blob store, database, routing: what every command shares
    dispatching  providers, limits, engine, stories: what runs batches
    work         the thread that runs batches
    http         `serve`
    files        `run`, without a server
    checking     `check`, without anything
    keeping      `keys` and `db`

Each module is imported by the command that needs it: the engine alone takes half a second to load.
"""
