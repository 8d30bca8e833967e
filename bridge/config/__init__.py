"""The configuration: `routes.yaml`, or a folder of such files, as one immutable value.

The way of a value, and the modules in its order:

    files       the file, or the folder, as one document
    parse       text to nodes, each with its place; `scalar` says what a scalar means, `advice` what a slip is
    merge       defaults, profiles and the route itself, made one
    draft       nodes to models, section by section; `validate` runs pydantic, `wording` says what it found
    model       the models: their fields are the keys, their descriptions the manual
    check_*     what only the whole document can tell
    load        all of it

and beside it `schema`, `reference` and `resolved`, which tell a user what there is and what holds.

Nothing is imported here: who only wants to know where a port is (`sse-bridge health`, each few seconds, within the same
bound of memory as the bridge) reads the file without the models, in a tenth of the time and a third of the memory.
"""
