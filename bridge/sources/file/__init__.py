"""The `file` source: lines of files as they grow, whatever becomes of the files.

Files in the order in which the data travels:

    model       the keys, and `run`
    follow      the shell: rounds in a thread, their steps on the event loop
    watch       hints of what changed
    tailer      one round: walk, look, read within a budget
    discover    which files there are           beneath, names    how they are opened, what their names tell
    table       which file is which              registry, chain   what is known of them
    attic       files that are not at their path any more
    succession  what follows a file that was rotated, truncated, lost;   rotate   where its bytes went
    reader      the bytes of one generation      generation, position, begin
    lines       bytes into records
    view        what was handed over             checkpoint, backlog   what is made of it
    complaints  what cannot be read, in words
"""

from bridge.sources.file.model import File, Last, Lines

__all__ = ["File", "Last", "Lines"]
